// SPDX-License-Identifier: Apache-2.0

// The workloads of README.md on Go: one subject of `versus`.
package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// What create_task gives elsewhere: a goroutine whose result is awaited over a channel of one.
func spawn(f func() uint64) <-chan uint64 {
	result := make(chan uint64, 1)
	go func() { result <- f() }()
	return result
}

func sumOf(tasks []<-chan uint64) uint64 {
	var total uint64
	for _, task := range tasks {
		total += <-task
	}
	return total
}

func spawnAll(count uint64, f func(i uint64) uint64) []<-chan uint64 {
	tasks := make([]<-chan uint64, 0, count)
	for i := uint64(0); i < count; i++ {
		i := i
		tasks = append(tasks, spawn(func() uint64 { return f(i) }))
	}
	return tasks
}

func value(i uint64) uint64 { return i }

func spawnAtOnce(ops uint64) uint64 {
	expect(sumOf(spawnAll(ops, value)), sumBelow(ops))
	return ops
}

func spawnChunks(ops uint64) uint64 {
	chunks := atLeastOne(ops / chunkSize)
	for c := uint64(0); c < chunks; c++ {
		spawnAtOnce(chunkSize)
	}
	return chunks * chunkSize
}

// Where nobody wants the results one by one, a Go program gathers with a WaitGroup.
func gather(width, ops uint64) uint64 {
	var total uint64
	for i := uint64(0); i < ops; i++ {
		results := make([]uint64, width)
		var group sync.WaitGroup
		group.Add(int(width))
		for j := uint64(0); j < width; j++ {
			j := j
			go func() {
				results[j] = value(j)
				group.Done()
			}()
		}
		group.Wait()
		for _, r := range results {
			total += r
		}
	}
	expect(total, ops*sumBelow(width))
	return ops
}

func yields(ops uint64) uint64 {
	rounds := atLeastOne(ops / yielders)
	tasks := spawnAll(yielders, func(uint64) uint64 {
		var done uint64
		for i := uint64(0); i < rounds; i++ {
			runtime.Gosched()
			done++
		}
		return done
	})
	expect(sumOf(tasks), yielders*rounds)
	return yielders * rounds
}

func pingPong(ops uint64) uint64 {
	trips := atLeastOne(ops / pairs)
	var tasks []<-chan uint64
	for p := 0; p < pairs; p++ {
		there, back := make(chan uint64, 1), make(chan uint64, 1)
		tasks = append(tasks, spawn(func() uint64 {
			var total uint64
			for i := uint64(0); i < trips; i++ {
				there <- i
				total += <-back
			}
			return total
		}))
		tasks = append(tasks, spawn(func() uint64 {
			for i := uint64(0); i < trips; i++ {
				back <- <-there + 1
			}
			return 0
		}))
	}
	expect(sumOf(tasks), pairs*sumBelow(trips+1))
	return pairs * trips
}

func link(left uint64) uint64 {
	if left == 1 {
		return 1
	}
	return 1 + <-spawn(func() uint64 { return link(left - 1) })
}

func chainedSpawn(ops uint64) uint64 {
	chains := atLeastOne(ops / chainDepth)
	var total uint64
	for i := uint64(0); i < chains; i++ {
		total += <-spawn(func() uint64 { return link(chainDepth) })
	}
	expect(total, chainDepth*chains)
	return chainDepth * chains
}

func queue(producers, consumers uint64, capacity int, ops uint64) uint64 {
	share := atLeastOne(ops / producers)
	items := make(chan uint64, capacity)
	tasks := spawnAll(consumers, func(uint64) uint64 {
		var total uint64
		for item := range items {
			total += item
		}
		return total
	})
	var producing sync.WaitGroup
	producing.Add(int(producers))
	for p := uint64(0); p < producers; p++ {
		go func() {
			for i := uint64(0); i < share; i++ {
				items <- i
			}
			producing.Done()
		}()
	}
	producing.Wait()
	close(items)
	expect(sumOf(tasks), producers*sumBelow(share))
	return producers * share
}

func mutex(heldOverAYield bool, ops uint64) uint64 {
	rounds := atLeastOne(ops / lockers)
	var lock sync.Mutex
	var counter uint64
	tasks := spawnAll(lockers, func(uint64) uint64 {
		for i := uint64(0); i < rounds; i++ {
			lock.Lock()
			counter++
			if heldOverAYield {
				runtime.Gosched()
			}
			lock.Unlock()
		}
		return 0
	})
	sumOf(tasks)
	expect(counter, lockers*rounds)
	return lockers * rounds
}

func semaphore(ops uint64) uint64 {
	rounds := atLeastOne(ops / acquirers)
	permits := make(chan struct{}, permitCount)
	tasks := spawnAll(acquirers, func(uint64) uint64 {
		var done uint64
		for i := uint64(0); i < rounds; i++ {
			permits <- struct{}{}
			runtime.Gosched()
			done++
			<-permits
		}
		return done
	})
	expect(sumOf(tasks), acquirers*rounds)
	return acquirers * rounds
}

// A deadline in Go is a context that the operation looks at.
func operation(ctx context.Context, yielding bool, i uint64) (uint64, error) {
	if yielding {
		runtime.Gosched()
	}
	return i, ctx.Err()
}

func timeouts(yielding bool, ops uint64) uint64 {
	rounds := atLeastOne(ops / timed)
	tasks := spawnAll(timed, func(uint64) uint64 {
		var total uint64
		for i := uint64(0); i < rounds; i++ {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			got, err := operation(ctx, yielding, i)
			cancel()
			if err != nil {
				fail(err.Error())
			}
			total += got
		}
		return total
	})
	expect(sumOf(tasks), timed*sumBelow(rounds))
	return timed * rounds
}

func sleeps(ops uint64) uint64 {
	tasks := spawnAll(ops, func(i uint64) uint64 {
		time.Sleep(sleepTime(i))
		return i
	})
	expect(sumOf(tasks), sumBelow(ops))
	return ops
}

var sleeping uint64

func asleep(ops uint64) uint64 {
	for i := uint64(0); i < ops; i++ {
		go func() {
			atomic.AddUint64(&sleeping, 1)
			time.Sleep(time.Hour)
		}()
	}
	for atomic.LoadUint64(&sleeping) != ops {
		runtime.Gosched()
	}
	return ops
}

// A thread that is not one of Go's processors when it wakes up: it sleeps in a raw system call.
func wakeUps(ops uint64) []uint64 {
	late := make([]uint64, 0, ops)
	posts := make(chan time.Time)
	go func() {
		runtime.LockOSThread()
		for i := uint64(0); i < ops; i++ {
			pause := syscall.NsecToTimespec(int64(idle))
			syscall.Nanosleep(&pause, nil)
			posts <- time.Now()
		}
		close(posts)
	}()
	for posted := range posts {
		late = append(late, uint64(time.Since(posted)))
	}
	return late
}

func run(name string, ops uint64) uint64 {
	switch name {
	case "spawn":
		return spawnAtOnce(ops)
	case "spawn_10k":
		return spawnChunks(ops)
	case "gather2":
		return gather(2, ops)
	case "gather10":
		return gather(10, ops)
	case "gather1000":
		return gather(1000, ops)
	case "yield":
		return yields(ops)
	case "ping_pong":
		return pingPong(ops)
	case "chained_spawn":
		return chainedSpawn(ops)
	case "queue_1_3":
		return queue(1, 3, 10, ops)
	case "queue_4_4":
		return queue(4, 4, 1024, ops)
	case "mutex":
		return mutex(false, ops)
	case "mutex_yield":
		return mutex(true, ops)
	case "semaphore":
		return semaphore(ops)
	case "timeout_ready":
		return timeouts(false, ops)
	case "timeout_yield":
		return timeouts(true, ops)
	case "sleeps":
		return sleeps(ops)
	case "asleep":
		return asleep(ops)
	}
	fail("no such workload: " + name)
	return 0
}

func main() {
	given := parse(os.Args[1:])
	runtime.GOMAXPROCS(given.workers)
	if given.workload == "wake_up" {
		fmt.Println(wakeUpJSON(wakeUps(given.ops)))
		return
	}
	// Not for the memory of goroutines: what the warm-up leaves behind would be used again.
	if given.workload != "asleep" {
		run(given.workload, atLeastOne(given.ops/10))
	}
	watch := start()
	fmt.Println(watch.stop(run(given.workload, given.ops), given.workload))
}
