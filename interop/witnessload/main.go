// Command witnessload measures how many heads a second a witness cosigns, whosever it is, and brings the witnesses to be measured into being.
//
//	witnessload load        -address HOST:PORT -logs N -connections N -seconds N      asks, and prints JSON
//	witnessload policies    -path DIR -logs N                                         lists the logs for acta-witness
//	witnessload omniwitness -address HOST:PORT -path DATABASE -logs N -connections N  serves omniwitness
//	witnessload agent       -path SOCKET                                              signs for litewitness
//	witnessload follow      -path DATABASE -logs N                                    lists the logs for litewitness
//
// It is only here for ../compare.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// logsOfAPolicy are as many as acta-witness reads of one file.
const logsOfAPolicy = 1024

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "witnessload:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("say what to do: load, policies, omniwitness, agent or follow")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	address := flags.String("address", "", "where a witness listens")
	path := flags.String("path", "", "a file or directory of a witness")
	logs := flags.Int("logs", 100_000, "how many logs there are")
	connections := flags.Int("connections", 64, "how many connections ask at once, or are open to a database")
	seconds := flags.Int("seconds", 10, "how long to ask at most, for the first time and then again")
	flags.Parse(args[1:])
	switch args[0] {
	case "load":
		rounds, err := load(*address, *logs, *connections, time.Duration(*seconds)*time.Second)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(rounds)
	case "policies":
		for from := 0; from < *logs; from += logsOfAPolicy {
			name := filepath.Join(*path, fmt.Sprintf("%d.policy", from))
			if err := os.WriteFile(name, []byte(policy(from, min(from+logsOfAPolicy, *logs))), 0o644); err != nil {
				return err
			}
		}
		return nil
	case "omniwitness":
		return omniwitness(*address, *path, *logs, *connections)
	case "agent":
		return sshAgent(*path)
	case "follow":
		return follow(*path, *logs)
	}
	return fmt.Errorf("%q is nothing that it can do", args[0])
}
