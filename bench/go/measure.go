// SPDX-License-Identifier: Apache-2.0

package main

// What measure.hpp is for the C++ subjects: sizes, the clock, the command line and the line of JSON.

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	chunkSize   = 10_000
	yielders    = 1_000
	pairs       = 1_000
	chainDepth  = 1_000
	lockers     = 16
	acquirers   = 20
	permitCount = 5
	timed       = 100
	idle        = 500 * time.Microsecond
)

func atLeastOne(n uint64) uint64 {
	if n == 0 {
		return 1
	}
	return n
}

func sumBelow(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	return n * (n - 1) / 2
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, message)
	os.Exit(1)
}

func expect(got, wanted uint64) {
	if got != wanted {
		fail(fmt.Sprintf("wrong result: %d, not %d", got, wanted))
	}
}

// 0 to 1 s, scattered, the same in every subject.
func sleepTime(i uint64) time.Duration {
	return time.Duration(i*7_919%1_000_003) * time.Microsecond
}

func statusKB(field string) float64 {
	status, err := os.Open("/proc/self/status")
	if err != nil {
		fail(err.Error())
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if words := strings.Fields(lines.Text()); words[0] == field {
			kb, _ := strconv.ParseFloat(words[1], 64)
			return kb
		}
	}
	return 0
}

func cpuTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fail(err.Error())
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

type stopwatch struct {
	wall  time.Time
	cpu   time.Duration
	rssKB float64
}

func start() stopwatch {
	return stopwatch{rssKB: statusKB("VmRSS:"), cpu: cpuTime(), wall: time.Now()}
}

func (w stopwatch) stop(ops uint64, workload string) string {
	n := float64(ops)
	wall := float64(time.Since(w.wall)) / n
	cpu := float64(cpuTime()-w.cpu) / n
	bytes := (statusKB("VmRSS:") - w.rssKB) * 1024 / n
	perOp := wall
	if workload == "sleeps" {
		perOp = cpu
	}
	return fmt.Sprintf(`{"ns_per_op": %f, "wall_ns_per_op": %f, "cpu_ns_per_op": %f, "ops": %d, `+
		`"bytes_per_op": %f, "peak_rss_kb": %.0f}`, perOp, wall, cpu, ops, bytes, statusKB("VmHWM:"))
}

func wakeUpJSON(late []uint64) string {
	sort.Slice(late, func(i, j int) bool { return late[i] < late[j] })
	at := func(share float64) uint64 { return late[int(share*float64(len(late)-1))] }
	return fmt.Sprintf(`{"ns_per_op": %d, "wall_ns_per_op": %d, "p99_ns": %d, "ops": %d, "peak_rss_kb": %.0f}`,
		at(0.5), idle, at(0.99), len(late), statusKB("VmHWM:"))
}

type arguments struct {
	workload string
	ops      uint64
	workers  int
}

// --workload NAME --ops N [--workers N]
func parse(words []string) arguments {
	given := arguments{ops: 1, workers: 1}
	for i := 0; i+1 < len(words); i += 2 {
		n, err := strconv.ParseUint(words[i+1], 10, 64)
		switch {
		case words[i] == "--workload":
			given.workload = words[i+1]
		case words[i] == "--ops" && err == nil:
			given.ops = n
		case words[i] == "--workers" && err == nil:
			given.workers = int(n)
		default:
			fail("not understood: " + words[i] + " " + words[i+1])
		}
	}
	return given
}
