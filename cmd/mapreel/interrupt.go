package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// errSignalled is the cause of a context that a signal cancelled.
var errSignalled = errors.New("interrupted")

// interruptible returns a context that the first SIGINT, SIGTERM or SIGHUP cancels, with errSignalled as its cause. A
// second one ends the process at once. SIGHUP stays ignored where whoever started us said so, as nohup does.
func interruptible(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	over, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-signals:
			cancel(errSignalled)
		case <-over:
			return
		}
		select {
		case <-signals:
			os.Exit(exitInterrupted)
		case <-over:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(over)
		<-ended
		cancel(nil)
	}
}
