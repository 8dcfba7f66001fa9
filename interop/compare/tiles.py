"""Reads of full tiles: our server and nginx, with the same tiles."""

import concurrent.futures
import http.client
import os
import resource
import shutil
import signal
import subprocess
import urllib.parse

from batches import fill, new_log, serving, size_of
from load import load
from machine import SERVER_CORE, on_core, say
from servers import free_port, started

WIDTH = 256
TILE = 32 * WIDTH

NGINX = """
daemon off;
master_process off;
error_log stderr crit;
pid {home}/pid;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  {cache}
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {home}/files;
    default_type application/octet-stream;
  }}
}}
"""
# As many as the system lets a process have.
OPEN_FILES = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
VARIANTS = {"nginx": "", "nginx, files kept open": f"open_file_cache max={min(OPEN_FILES - 1000, 200_000)} inactive=1h; open_file_cache_valid 1h;"}
MANY_FILES = ["prlimit", f"--nofile={OPEN_FILES}"]


def measure(context):
    pace, keep, home = context.pace, context.keep, context.big_log
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if nginx is None:
        say("SKIPPED: tile reads beside nginx; apt-get install -y nginx-light")
        keep("tiles", "skipped", "no nginx")
        return
    if not home.exists():
        new_log(context.programs, home)
    say("Tiles: making the log long enough")
    files = home.with_name("nginx") / "files"
    with serving(context, home, under=()) as server:
        fill(context, server, pace.tile_entries, (8, 4096), pace.fill, entry_bytes=32)
        tiles = size_of(server) // WIDTH
        say(f"Tiles: {tiles:,} of {TILE:,} bytes go to files")
        save(server.url, tiles, files)
    keep("tiles", "tiles", tiles)
    keep("tiles", "nginx", subprocess.run([nginx, "-v"], stderr=subprocess.PIPE, text=True).stderr.strip())
    os.sync()  # so that what was just written is not being written while reads are measured
    subprocess.run(["find", files, "-type", "f", "-exec", "cat", "{}", "+"], stdout=subprocess.DEVNULL, check=True)
    turns = {name: [] for name in ["acta-log", *VARIANTS]}
    for _ in range(pace.turns):
        with serving(context, home) as server:
            turns["acta-log"].append(reads(context, server, "acta-log"))
        for name, cache in VARIANTS.items():
            port = free_port()
            settings = files.parent / "nginx.conf"
            settings.write_text(NGINX.format(home=files.parent, port=port, cache=cache))
            with started(name, [nginx, "-p", files.parent, "-c", settings], port, under=[*on_core(SERVER_CORE), *MANY_FILES], how=signal.SIGTERM) as server:
                turns[name].append(reads(context, server, name))
        keep("tiles", "turns", turns)
    shutil.rmtree(files.parent)


def reads(context, server, title):
    # Warm means that each tile was most likely read before: so many reads that few are left out.
    return load(context.programs, server, title, "--mode", "tile", "--connections", 64, seconds=context.pace.short * 2, warm_up=context.pace.tile_warm_up)


def path_of(number):
    """Where tlog-tiles has a full tile of level 0: in groups of three digits, all but the last with an x."""
    groups = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        groups.insert(0, f"x{number % 1000:03}")
    return "tile/0/" + "/".join(groups)


def save(url, tiles, files):
    """Fetches all full tiles, as any mirror would, and the head."""
    files.mkdir(parents=True)
    step = max(1, -(-tiles // 64))
    with concurrent.futures.ProcessPoolExecutor(4) as pool:
        for done in [pool.submit(save_some, url, range(first, min(first + step, tiles)), files) for first in range(0, tiles, step)]:
            done.result()
    files.joinpath("checkpoint").write_bytes(fetch(http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc), "checkpoint"))


def save_some(url, numbers, files):
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc)
    for number in numbers:
        path = path_of(number)
        body = fetch(connection, path)
        if len(body) != TILE:
            raise ValueError(f"{path} has {len(body)} bytes")
        to = files / path
        if number % 1000 == 0 or not to.parent.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
        to.write_bytes(body)


def fetch(connection, path):
    connection.request("GET", "/" + path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise ValueError(f"{path}: status {answer.status}")
    return body
