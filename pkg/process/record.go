package process

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxRecord bounds a Record in bytes. The last of several programs is the one that explains a failure, so the beginning is cut.
const maxRecord = 64 << 10

// Record is a log of programs: the command line of each, the end of what it wrote, and how it ended. It has no queries of URLs, which may
// be signatures. The zero value is empty, and ready to use by several goroutines.
type Record struct {
	mu   sync.Mutex
	text string
	cut  bool
}

// String returns the log in lines.
func (r *Record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut {
		return "[the beginning is left out]\n" + r.text
	}
	return r.text
}

// Add appends lines.
func (r *Record) Add(lines string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text += lines
	if excess := len(r.text) - maxRecord; excess > 0 {
		r.cut = true
		_, r.text, _ = strings.Cut(r.text[excess:], "\n")
	}
}

type recordKey struct{}

// WithRecord returns a context under which Run records its program in r.
func WithRecord(ctx context.Context, r *Record) context.Context {
	return context.WithValue(ctx, recordKey{}, r)
}

// AddRecord appends lines to the record of the context, if it has one: about a program that was started under another context.
func AddRecord(ctx context.Context, lines string) {
	if r, ok := ctx.Value(recordKey{}).(*Record); ok {
		r.Add(lines)
	}
}

// record adds a program that has ended to the record of the context, if it has one.
func record(ctx context.Context, name string, args []string, options Options, stderr string, usage Usage, err error) {
	r, ok := ctx.Value(recordKey{}).(*Record)
	if !ok {
		return
	}
	var b strings.Builder
	b.WriteString(time.Now().UTC().Format("2006-01-02T15:04:05Z") + " " + name)
	for _, a := range args {
		b.WriteString(" " + quoted(a))
	}
	b.WriteByte('\n')
	if stderr = strings.TrimRight(stderr, "\r\n"); stderr != "" {
		b.WriteString(stderr + "\n")
	}
	end := "ended well"
	if err != nil {
		end = "failed: " + err.Error()
	}
	fmt.Fprintf(&b, "%s %s, after %.1f s, with %.1f s of processors\n", name, end, usage.Wall.Seconds(), usage.CPU.Seconds())
	text := b.String()
	if options.Redact != nil {
		text = options.Redact(text)
	}
	r.Add(Redact(text))
}

// quoted returns an argument as a shell would need it, at least for those that programs get here.
func quoted(arg string) string {
	if arg == "" || strings.ContainsAny(arg, " \t\n'\"\\$`;&|<>()*?[]{}#~!") {
		if strings.ContainsAny(arg, "\n'") {
			return strconv.Quote(arg)
		}
		return "'" + arg + "'"
	}
	return arg
}
