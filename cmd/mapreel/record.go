package main

import (
	"context"
	"encoding/json"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
)

// runRecord makes a run of this process an execution in the history of its scratch folder, so that a server over that folder
// shows it. It is recorded when the state machine begins. A history that cannot be written is no reason not to work.
type runRecord struct {
	ctx     context.Context //nolint:containedctx // of the whole run, for observers that have none
	scratch string
	request json.RawMessage
	name    string
	options history.Options

	tried    bool
	store    *history.Store
	recorder *history.Recorder // nil: nothing is recorded
}

func newRunRecord(ctx context.Context, scratch string, request json.RawMessage, options history.Options) *runRecord {
	return &runRecord{ctx: context.WithoutCancel(ctx), scratch: scratch, request: request, name: local.NewName(), options: options}
}

// execution returns how the run is named and observed.
func (r *runRecord) execution() local.Execution {
	return local.Execution{
		Name: r.name, ID: history.ExecutionARN(r.name),
		Observe: func(e asl.Event) {
			if !r.tried {
				r.tried = true
				r.open()
			}
			if r.recorder != nil {
				r.recorder.Event(e)
			}
		},
		ObserveMapRun: func(m asl.MapRun) {
			if r.recorder != nil {
				r.recorder.MapRun(m)
			}
		},
	}
}

func (r *runRecord) open() {
	store, err := openHistory(r.ctx, r.scratch)
	if err != nil {
		return
	}
	x, err := store.Create(r.ctx, history.Execution{
		ARN: history.ExecutionARN(r.name), Name: r.name, Machine: history.MachineARN, Owner: r.name, Input: r.request,
		Started: time.Now(), Options: r.options,
	})
	if err != nil {
		_ = store.Close() // nothing was written
		return
	}
	r.store, r.recorder = store, store.Recorder(x, nil)
}

// close ends the record of a run that ended with err.
func (r *runRecord) close(err error) {
	if r.recorder == nil {
		return
	}
	if !r.recorder.Ended() && err != nil {
		_ = r.store.End(r.ctx, history.ExecutionARN(r.name), history.Failed, string(fault.KindOf(err)), err.Error(), time.Now())
	}
	_ = r.store.Close() // the work counts, not its record
}
