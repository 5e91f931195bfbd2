package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errSignalled is the cause of a context that was cancelled by a signal.
var errSignalled = errors.New("interrupted")

// interruptible returns a context that the first SIGINT, SIGTERM or SIGHUP cancels, with errSignalled as its cause. A
// second one ends the process at once. SIGHUP stays ignored if it was at the start of the process, as under nohup. The
// function that it returns stops listening.
func withInterrupt(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-signals:
			cancel(errSignalled)
		case <-done:
			return
		}
		select {
		case <-signals:
			os.Exit(exitInterrupted)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		<-stopped
		cancel(nil)
	}
}
