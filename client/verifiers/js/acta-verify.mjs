// Checks receipts of a transparency log: what `acta verify` does, as one module for browsers, with nothing but what they bring (WebCrypto).
//
//   import { parsePolicy, verifyReceipt } from "./acta-verify.mjs";
//   const policy = await parsePolicy(policyBytes);                    // which log to believe, which witnesses must have signed
//   const receipt = await verifyReceipt(policy, receiptBytes);        // { entry, index, origin, size, root, witnesses }, or it throws
//
// docs/formats.md says how the files are made. Whatever is wrong with one is thrown as an Error that says what. Where WebCrypto has no
// ML-DSA-44, which is nearly everywhere still, lines of such keys are ignored like those of strangers: they never count.

// The most that a file may have: bytes of each part, hashes of a proof, signature lines of one key, entries of a log, lines of a policy.
const MAX = { receipt: 2 ** 20, policy: 2 ** 20, extra: 2 ** 19, note: 2 ** 17, checkpoint: 2 ** 14, hashes: 63, linesOfKey: 16 };
const MAX_SIZE = 2n ** 63n, MAX_DEFINITIONS = 1024;

const ED25519 = 0x01, COSIGNATURE = 0x04, ML_DSA_44 = 0x06; // the types of keys, each with the length of its public half
const KEY_LENGTHS = { [ED25519]: 32, [COSIGNATURE]: 32, [ML_DSA_44]: 1312 };
const KEY_NAME = "([^+\\p{White_Space}\\0-\\x1f]+)";

const utf8 = new TextEncoder();
const fromUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function require(condition, reason) {
  if (!condition) throw new Error(reason);
}

// Receipts (C2SP tlog-proof)

/** What a receipt proves under a policy: its entry, and the head of the log with the witnesses that have signed it. */
export async function verifyReceipt(policy, bytes) {
  require(bytes.length <= MAX.receipt, "it is larger than any receipt");
  const [head, note] = splitOnce(decode(bytes), "\n\n");
  const [header, ...lines] = head.split("\n");
  require(header === "c2sp.org/tlog-proof@v1" && note !== undefined, "it does not start like a receipt, or it was cut short");
  const entry = lines[0]?.startsWith("extra ") ? unbase64(lines.shift().slice(6), "the entry") : undefined;
  require(lines[0]?.startsWith("index "), "the line `index` is missing");
  const index = decimal(lines.shift().slice(6), "the index");
  require((entry ?? "").length <= MAX.extra && lines.length <= MAX.hashes, "the entry or the proof is longer than any");
  const proof = lines.map((line) => unbase64(line, "a line of the proof", 32));
  const checkpoint = parseCheckpoint(note);
  const witnesses = await checkPolicy(policy, checkpoint);
  require(entry !== undefined, "it does not carry the entry that it is for");
  const root = await rootHash(await sha256([0], entry), index, checkpoint.size, proof);
  require(equal(root, checkpoint.root), "the proof does not lead from the entry to the checkpoint: something was changed");
  return { entry, index, origin: checkpoint.origin, size: checkpoint.size, root, witnesses };
}

/** The root hash that the proof leads to from a leaf (RFC 9162 section 2.1.3.2). */
async function rootHash(leaf, index, size, proof) {
  require(index < size, "the entry lies beyond the checkpoint");
  let result = leaf, last = size - 1n;
  for (const sibling of proof) {
    require(last > 0n, "the proof is too long for this entry and checkpoint");
    if (index & 1n || index === last) {
      result = await sha256([1], sibling, result);
      while (!(index & 1n) && index) [index, last] = [index >> 1n, last >> 1n]; // on these levels there is nothing to the right
    } else {
      result = await sha256([1], result, sibling);
    }
    [index, last] = [index >> 1n, last >> 1n];
  }
  require(last === 0n, "the proof is too short for this entry and checkpoint");
  return result;
}

// Checkpoints (C2SP signed-note, tlog-checkpoint)

function parseCheckpoint(note) {
  const { text, lines } = parseNote(note);
  const [origin, size, root, ...extensions] = text.slice(0, -1).split("\n");
  require(utf8.encode(text).length <= MAX.checkpoint && root !== undefined, "this is not a checkpoint: it is too long or too short");
  require(origin && extensions.every(Boolean), "the checkpoint has an empty line in it");
  const entries = decimal(size, "the size of the log");
  require(entries <= MAX_SIZE, "no log can have so many entries");
  return { text, origin, size: entries, root: unbase64(root, "the root hash", 32), extensions, lines };
}

/** The text, and the signature lines. */
function parseNote(note) {
  require(utf8.encode(note).length <= MAX.note, "the signed note is larger than any");
  require(!/[\0-\x09\x0b-\x1f]/.test(note), "the signed note has a control character in it");
  const blank = note.lastIndexOf("\n\n");
  require(blank >= 0 && note.endsWith("\n") && blank + 2 < note.length, "the signed note was cut short");
  return { text: note.slice(0, blank + 1), lines: note.slice(blank + 2, -1).split("\n").map(parseLine) };
}

function parseLine(line) {
  const match = line.match(new RegExp(`^\u2014 ${KEY_NAME} (.+)$`, "u"));
  require(match, "a signature line is malformed");
  const bytes = unbase64(match[2], "a signature");
  require(bytes.length > 4, "a signature is too short");
  return { name: match[1], id: hex(bytes.subarray(0, 4)), signature: bytes.subarray(4) };
}

/** Of each key that has signed the checkpoint the newest time that it stated, 0 if none. One bad signature of a key refuses all. */
async function newestTimes(checkpoint, keys) {
  const times = new Map(), count = new Map();
  for (const line of checkpoint.lines) {
    const claimed = keys.filter((key) => key.name === line.name && key.id === line.id && key.imported);
    let good = claimed.length === 0;
    for (const key of claimed) {
      count.set(key, (count.get(key) ?? 0) + 1);
      require(count.get(key) <= MAX.linesOfKey, `there are too many signatures of ${line.name}`);
      const time = await verify(key, checkpoint, line.signature);
      if (time === undefined) continue;
      good = true;
      if (time >= (times.get(key) ?? 0n)) times.set(key, time);
    }
    require(good, `the signature of ${line.name} does not fit the checkpoint: something was changed`);
  }
  return times;
}

// Policies (C2SP tlog-policy)

/** Which logs to believe, and which witnesses must have signed. A character stands for a byte, since names need not be UTF-8. */
export async function parsePolicy(bytes) {
  const text = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  require(bytes.length <= MAX.policy && text.endsWith("\n"), "it is larger than any policy, or its last line is not whole");
  require(!/[\0-\x08\x0b-\x1f\x7f]/.test(text), "it has a control character in it");
  const policy = { logs: [], witnesses: new Map(), groups: new Map(), quorum: undefined, names: new Set(), members: new Set() };
  for (const [number, line] of text.slice(0, -1).split("\n").entries()) {
    const words = line.split(/[ \t]/).filter(Boolean);
    if (words.length === 0 || words[0].startsWith("#")) continue;
    await define(policy, ...words).catch((error) => require(false, `line ${number + 1}: ${error.message}`));
  }
  require(policy.quorum, "it has no quorum line");
  return policy;
}

async function define(policy, keyword, ...words) {
  const newName = (name) => {
    require(name !== "none" && !policy.names.has(name), "the name is taken");
    policy.names.add(name);
    return name;
  };
  if (keyword === "log" && (words.length === 1 || words.length === 2)) {
    policy.logs.push(await newKey(words[0], policy.logs));
  } else if (keyword === "witness" && (words.length === 2 || words.length === 3)) {
    const key = await newKey(words[1], [...policy.witnesses.values()]);
    require(key.type !== ED25519, "the key is not of a kind that witnesses use");
    policy.witnesses.set(newName(words[0]), key);
  } else if (keyword === "group" && words.length >= 3) {
    const [name, threshold, ...members] = words;
    for (const member of members) {
      require(policy.names.has(member) && !policy.members.has(member), "a member is not defined above, or is in a group already");
      policy.members.add(member);
    }
    const needed = { any: 1n, all: BigInt(members.length) }[threshold] ?? decimal(threshold, "the threshold");
    require(needed >= 1n && needed <= members.length && policy.groups.size < MAX_DEFINITIONS, "the threshold does not fit the group");
    policy.groups.set(newName(name), { needed, members });
  } else if (keyword === "quorum" && words.length === 1) {
    require(policy.quorum === undefined, "there is a second quorum line");
    require(words[0] === "none" || policy.names.has(words[0]), "the quorum is not defined above");
    policy.quorum = words[0];
  } else {
    throw new Error("expected a log, a witness, a group or the quorum");
  }
}

/** The witnesses that have signed, each with its time, if they and the log's own signature are enough. */
async function checkPolicy(policy, checkpoint) {
  const logs = policy.logs.filter((key) => key.name === checkpoint.origin);
  require(logs.length > 0, "it is of a log that the policy does not list");
  const signed = [...(await newestTimes(checkpoint, logs)).keys()];
  require(signed.length > 0, "the log has not signed the checkpoint");
  // ML-DSA-44 does not cover extension lines, so anybody may have added them.
  const covered = checkpoint.extensions.length === 0 || signed.some((key) => key.type !== ML_DSA_44);
  require(covered, "the checkpoint has extra lines that the log has not signed");
  const times = await newestTimes(checkpoint, [...policy.witnesses.values()]);
  const witnesses = [...policy.witnesses].filter(([, key]) => times.has(key)).map(([name, key]) => ({ name, time: times.get(key) }));
  const met = new Set(["none", ...witnesses.map(({ name }) => name)]);
  for (const [name, { needed, members }] of policy.groups) { // a group comes after its members
    if (members.filter((member) => met.has(member)).length >= needed) met.add(name);
  }
  require(met.has(policy.quorum), "too few witnesses have signed the checkpoint for this policy");
  return witnesses.map(({ name, time }) => ({ name: new TextDecoder().decode(toBytes(name)), time }));
}

// Keys and signatures (C2SP signed-note, tlog-cosignature)

/** The key that a policy lists besides others. `imported` is for WebCrypto; `undefined` if that cannot verify signatures of its type. */
async function newKey(word, others) {
  const vkey = decode(toBytes(word));
  const match = vkey.match(new RegExp(`^${KEY_NAME}\\+([0-9a-f]{8})\\+(.+)$`, "u"));
  require(match, "this is not a verifier key");
  const [, name, id, encoded] = match, material = unbase64(encoded, "the key");
  const key = { name, id, type: material[0], public: material.subarray(1) };
  require(id === hex((await sha256(utf8.encode(name + "\n"), material)).subarray(0, 4)), "the key's id does not fit its name and the key");
  require(key.public.length === KEY_LENGTHS[key.type], "the key is of a kind that is not supported here, or it is not whole");
  require(key.type !== ML_DSA_44 || utf8.encode(name).length < 256, "the key's name is too long");
  require(key.type === ML_DSA_44 || isSafePoint(key.public), "this is no Ed25519 key, or one with which anybody could sign");
  require(others.every((other) => !equal(key.public, other.public)) && others.length < MAX_DEFINITIONS, "the key is listed already");
  key.imported = key.type === ML_DSA_44
    ? await crypto.subtle.importKey("raw-public", key.public, "ML-DSA-44", false, ["verify"]).catch(() => undefined)
    : await crypto.subtle.importKey("raw", key.public, "Ed25519", false, ["verify"]);
  return key;
}

/** The time that a good signature states, 0 if none; `undefined` if the signature is not good. */
async function verify(key, checkpoint, bytes) {
  const cosigned = key.type !== ED25519;
  const [time, signature] = cosigned && bytes.length >= 8 ? [toNumber(bytes.slice(0, 8)), bytes.subarray(8)] : [0n, bytes];
  const message = signedMessage(key, checkpoint, time);
  if (!message || (key.type !== ML_DSA_44 && !isSafeSignature(signature))) return undefined;
  return (await crypto.subtle.verify(key.imported.algorithm, key.imported, signature, message)) ? time : undefined;
}

function signedMessage(key, checkpoint, time) {
  if (time >= 2n ** 63n) return undefined; // there is no such time
  if (key.type === ED25519) return utf8.encode(checkpoint.text);
  if (key.type === COSIGNATURE) return utf8.encode(`cosignature/v1\ntime ${time}\n${checkpoint.text}`);
  const [name, origin] = [utf8.encode(key.name), utf8.encode(checkpoint.origin)];
  if (origin.length > 255) return undefined; // too long for ML-DSA-44
  const start = [utf8.encode("subtree/v1\n\0"), [name.length], name, bigEndian(time), [origin.length], origin];
  return concat(...start, bigEndian(0n), bigEndian(checkpoint.size), checkpoint.root);
}

// Libraries differ about odd points of Ed25519's curve. So they are refused here (RFC 8032 section 5.1 has the equations).
const P = 2n ** 255n - 19n, L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = 0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3n;

/** Whether this is the one encoding of a point that can be a key. */
function isSafePoint(key) {
  const y = littleEndian(key) % 2n ** 255n;
  return y < P && power((y * y - 1n) * (D * y * y + 1n), (P - 1n) / 2n) === 1n && !isOfSmallOrder(key);
}

/** Whether a signature is one of those on which libraries agree. */
function isSafeSignature(signature) {
  return signature.length === 64 && !isOfSmallOrder(signature.slice(0, 32)) && littleEndian(signature.slice(32)) < L;
}

/** Whether eight times the point is nothing: it is of order 1, 2 or 4; or of order 8, so that twice the point has y = 0. */
function isOfSmallOrder(point) {
  const y = (littleEndian(point) % 2n ** 255n) % P;
  return y <= 1n || y === P - 1n || (D * y ** 4n + 2n * y * y - 1n) % P === 0n;
}

function power(base, exponent) {
  let result = 1n;
  for (base = ((base % P) + P) % P; exponent > 0n; exponent >>= 1n, base = (base * base) % P) {
    if (exponent & 1n) result = (result * base) % P;
  }
  return result;
}

// Encodings: each value has exactly one

function unbase64(text, what, length) {
  const canonical = /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0 && btoa(atob(text)) === text;
  require(canonical, `${what} is not in base64 as it has to be`);
  const bytes = toBytes(atob(text));
  require(length === undefined || bytes.length === length, `${what} has another length than ${length} bytes`);
  return bytes;
}

function decimal(text, what) {
  require(/^(0|[1-9][0-9]{0,19})$/.test(text) && BigInt(text) < 2n ** 64n, `${what} is not a plain decimal number`);
  return BigInt(text);
}

function decode(bytes) {
  try {
    return fromUtf8.decode(bytes);
  } catch {
    throw new Error("it is not UTF-8");
  }
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + separator.length)];
}

async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

function concat(...parts) {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

const toBytes = (binary) => Uint8Array.from(binary, (c) => c.charCodeAt(0));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const toNumber = (bytes) => BigInt("0x" + hex(bytes));
const littleEndian = (bytes) => toNumber(bytes.slice().reverse());
const bigEndian = (number) => Uint8Array.from({ length: 8 }, (_, i) => Number((number >> BigInt(56 - 8 * i)) & 255n));
const equal = (one, other) => one.length === other.length && one.every((byte, i) => byte === other[i]);
