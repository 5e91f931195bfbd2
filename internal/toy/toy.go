// Package toy is a kind of work for tests: the SHA-256 of every ten seconds of a WAV file, joined into a list. It proves that a
// kind needs one file and one line in a registry, and that the engine knows nothing about pictures.
//
//	{"source": "/in/tone.wav", "destination": "/out/", "checksums": {"seconds": 10}}
package toy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Add adds the toy to a registry. Its planner comes first, because the planner of films accepts every request.
func Add(r work.Registry) work.Registry {
	return work.Registry{
		Planners: append([]work.Planner{planner{}}, r.Planners...), Kinds: append(slices.Clone(r.Kinds), sums{}, list{}),
	}
}

// request is the form of request that the toy accepts.
type request struct {
	work.Envelope
	Checksums *struct {
		Seconds int64 `json:"seconds"`
	} `json:"checksums"`
}

// document is the plan's Doc.
type document struct {
	Source string `json:"source"`
	Output string `json:"output"` // URL
	Units  int    `json:"units"`
}

// span is the Spec of a unit: a range of the file's samples.
type span struct {
	Offset int64       `json:"offset"`
	Length int64       `json:"length"`
	Media  media.Ticks `json:"media"` // microseconds
}

type planner struct{}

func (planner) Name() string { return "toy" }

func (planner) Accepts(data json.RawMessage) bool {
	var r request
	return json.Unmarshal(data, &r) == nil && r.Checksums != nil
}

func (planner) Plan(ctx context.Context, env *work.PlanEnv, data json.RawMessage) (work.Plan, error) {
	var r request
	if err := json.Unmarshal(data, &r); err != nil || r.Checksums.Seconds < 1 {
		return work.Plan{}, fault.New(fault.Invalid, "/checksums/seconds: must be at least 1")
	}
	store, key, err := env.Resolve(ctx, r.Source)
	if err != nil {
		return work.Plan{}, err
	}
	info, err := store.Stat(ctx, key)
	if err != nil {
		return work.Plan{}, err
	}
	head, err := blob.ReadRange(ctx, store, key, 0, 44)
	if err != nil {
		return work.Plan{}, err
	}
	if len(head) < 44 || string(head[:4]) != "RIFF" || string(head[8:16]) != "WAVEfmt " {
		return work.Plan{}, fault.New(fault.Unsupported, "the source is no WAV file")
	}
	rate := int64(binary.LittleEndian.Uint32(head[28:])) // bytes a second
	doc := document{Source: r.Source, Output: strings.TrimSuffix(r.Destination, "/") + "/" + path.Base(r.Source) + ".sha256"}
	var units []work.Unit
	needs := work.Needs{Class: work.ClassAudio, Route: routeOf(r.Compute.Mode)}
	for at := int64(0); at < info.Size; at += rate * r.Checksums.Seconds {
		s := span{Offset: at, Length: min(rate*r.Checksums.Seconds, info.Size-at)}
		s.Media = media.Ticks(s.Length * 1_000_000 / max(rate, 1))
		spec, err := json.Marshal(s)
		if err != nil {
			return work.Plan{}, err
		}
		units = append(units, work.Unit{Name: fmt.Sprintf("checksum/%05d", len(units)), Spec: spec, Needs: needs})
	}
	doc.Units = len(units)
	text, err := json.Marshal(doc)
	if err != nil {
		return work.Plan{}, err
	}
	id := sha256.Sum256(fmt.Append(nil, r.Source, info.Size, info.Version, r.Destination, r.Checksums.Seconds))
	output := work.Unit{Name: "checksumlist/all", Needs: work.Needs{Class: work.ClassMerge, Route: needs.Route}}
	return work.Plan{
		ID: hex.EncodeToString(id[:10]), Planner: "toy", Doc: text, Source: r.Source, Outputs: []string{doc.Output},
		Concurrency: max(r.Compute.Concurrency, 1), Duration: time.Hour, Retention: time.Hour,
		Phases:      []work.Phase{{Name: "checksum", Units: slices.Values(units)}},
		OutputPhase: work.Phase{Name: "join", Units: slices.Values([]work.Unit{output})},
		Groups: []work.Group{
			{Name: "checksum", Noun: "checksums", Units: len(units)}, {Name: "checksumlist", Noun: "lists", Units: 1},
		},
	}, nil
}

func (planner) Extend(context.Context, *work.PlanEnv, work.Plan) (work.Plan, error) {
	return work.Plan{}, fault.New(fault.Internal, "a plan of the toy is never open")
}

// routeOf returns the route of a request; RouteLambda if it names none.
func routeOf(r work.Route) work.Route {
	if r == "" {
		return work.RouteLambda
	}
	return r
}

// sums is the kind that hashes a range of the file.
type sums struct{}

func (sums) Name() string { return "checksum" }

func (sums) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	var doc document
	var s span
	if err := env.Decode(&doc); err != nil {
		return work.Result{}, err
	}
	if err := json.Unmarshal(u.Spec, &s); err != nil {
		return work.Result{}, fault.Wrap(fault.Corrupt, err, "spec of "+u.Name)
	}
	store, key, err := env.Resolve(ctx, doc.Source)
	if err != nil {
		return work.Result{}, err
	}
	body, err := store.Open(ctx, key, s.Offset, s.Length)
	if err != nil {
		return work.Result{}, err
	}
	defer body.Close()
	h := sha256.New()
	n, err := io.Copy(h, body)
	if err != nil {
		return work.Result{}, err
	}
	if n != s.Length {
		return work.Result{}, fault.New(fault.Transient, "%d bytes were read of %d", n, s.Length)
	}
	to := env.Key(0, "txt")
	info, err := env.Scratch.Put(ctx, to, bytes.NewReader(fmt.Appendf(nil, "%x\n", h.Sum(nil))))
	if err != nil {
		return work.Result{}, err
	}
	r := work.Result{Artifacts: []work.Artifact{{Key: to, Size: info.Size}}, Done: work.Amount{Media: s.Media, Count: 1, Bytes: info.Size}}
	return r, r.SetFacts(to)
}

// list is the kind that joins the checksums.
type list struct{}

func (list) Name() string { return "checksumlist" }

func (list) Run(ctx context.Context, env *work.Env, _ work.Unit) (work.Result, error) {
	var doc document
	if err := env.Decode(&doc); err != nil {
		return work.Result{}, err
	}
	var parts []blob.Part
	for f, err := range env.Results.All(ctx, "checksum/") {
		if err != nil {
			return work.Result{}, err
		}
		a := f.Result.Artifacts[0]
		parts = append(parts, blob.Part{From: env.Scratch, Key: a.Key, Length: a.Size})
	}
	if len(parts) != doc.Units {
		return work.Result{}, fault.New(fault.Corrupt, "the ledger holds %d checksums, the plan has %d", len(parts), doc.Units)
	}
	store, key, err := env.Resolve(ctx, doc.Output)
	if err != nil {
		return work.Result{}, err
	}
	info, err := store.Compose(ctx, key, parts)
	if err != nil {
		return work.Result{}, err
	}
	digest, err := blob.Digest(ctx, store, key, info.Size)
	if err != nil {
		return work.Result{}, err
	}
	r := work.Result{
		URL: doc.Output, Done: work.Amount{Bytes: info.Size},
		Artifacts: []work.Artifact{{URL: doc.Output, Size: info.Size, Version: info.Version, Digest: digest}},
	}
	return r, r.SetFacts(map[string]any{"url": doc.Output, "size": info.Size})
}
