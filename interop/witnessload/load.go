package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// round is what came of asking once for each of many logs.
type round struct {
	From      int64          `json:"from_size"`
	To        int64          `json:"to_size"`
	Cosigned  int            `json:"cosigned"`
	Refused   map[string]int `json:"refused"` // by status
	Seconds   float64        `json:"seconds"`
	PerSecond float64        `json:"per_second"`
	P50       float64        `json:"p50_ms"`
	P99       float64        `json:"p99_ms"`
}

// load asks a witness to cosign so many logs, each for the first time and then again, as long as that takes, but for each of the two no
// longer than is given. Requests are signed ahead of time, since that is the logs' work. Each is of another log than the one before.
func load(address string, logs, connections int, longest time.Duration) ([]round, error) {
	tree, err := newTree(sizes[len(sizes)-1])
	if err != nil {
		return nil, err
	}
	var rounds []round
	for i := range len(sizes) - 1 {
		step, err := tree.step(sizes[i], sizes[i+1])
		if err != nil {
			return nil, err
		}
		requests := make([][]byte, logs)
		for number := range requests {
			requests[number] = newLog(number).request(step)
		}
		done, err := send(address, requests, connections, longest)
		if err != nil {
			return nil, err
		}
		done.From, done.To = step.old, step.size
		rounds = append(rounds, done)
		if logs = done.Cosigned + total(done.Refused); total(done.Refused) > 0 {
			break // what was refused has no earlier head to go on from
		}
	}
	return rounds, nil
}

// send sends the requests in their order over so many connections, each when its last one was answered.
func send(address string, requests [][]byte, connections int, longest time.Duration) (round, error) {
	streams := make([]net.Conn, connections)
	for i := range streams {
		stream, err := net.Dial("tcp", address)
		if err != nil {
			return round{}, err
		}
		defer stream.Close()
		streams[i] = stream
	}
	var next atomic.Int64
	var all sync.WaitGroup
	took, refused, failures := make([][]time.Duration, connections), make([]map[string]int, connections), make([]error, connections)
	start := time.Now()
	for i, stream := range streams {
		all.Go(func() {
			reader := bufio.NewReader(stream)
			refused[i] = map[string]int{}
			for time.Since(start) < longest {
				number := int(next.Add(1)) - 1
				if number >= len(requests) {
					return
				}
				sent := time.Now()
				status, err := ask(stream, reader, requests[number])
				if err != nil {
					failures[i] = fmt.Errorf("log %d: %w", number, err)
					return
				}
				if status != http.StatusOK {
					refused[i][fmt.Sprint(status)]++
					continue
				}
				took[i] = append(took[i], time.Since(sent))
			}
		})
	}
	all.Wait()
	done := round{Seconds: time.Since(start).Seconds(), Refused: map[string]int{}}
	for i := range streams {
		if failures[i] != nil {
			return round{}, failures[i]
		}
		for status, count := range refused[i] {
			done.Refused[status] += count
		}
	}
	latencies := slices.Concat(took...)
	slices.Sort(latencies)
	if done.Cosigned = len(latencies); done.Cosigned > 0 {
		at := func(share int) float64 { return float64(latencies[(len(latencies)-1)*share/100].Nanoseconds()) / 1e6 }
		done.P50, done.P99, done.PerSecond = at(50), at(99), float64(done.Cosigned)/done.Seconds
	}
	return done, nil
}

// ask gives the status of the answer. A good one has a signature in it.
func ask(stream net.Conn, reader *bufio.Reader, request []byte) (int, error) {
	if _, err := stream.Write(request); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode == http.StatusOK && !bytes.HasPrefix(body, []byte("— ")) {
		err = fmt.Errorf("no signature: %q", body)
	}
	return response.StatusCode, err
}

func total(counts map[string]int) int {
	sum := 0
	for _, count := range counts {
		sum += count
	}
	return sum
}
