package remote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/printable"
)

// Submit starts a job.
type Submit struct {
	Source string   `arg:"" optional:"" name:"SOURCE" help:"The video. For a server a path that lies below its --root, or a file of this machine, which is uploaded; for a stack an s3:// URL, the https:// address of a web server that it reads (its setting webSources), or such a file."`
	Others []string `arg:"" optional:"" name:"OTHERS" help:"With --join, the videos that follow SOURCE in one film."`
	Output string   `short:"o" placeholder:"FILE" help:"The file to make. Its extension selects the container: .mp4, .mkv or .webm; or .m3u8 (HLS) or .mpd (DASH). For a server a path below its --root, or a relative path, which on another machine lies below its folder for uploads; for a stack an s3:// URL, or a path below the folder of its outputs."`

	requestflags.Flags

	Target

	Name        string                 `placeholder:"NAME" help:"Name of the job. Default: one that follows from the request and the content of SOURCE, so that the same command twice starts one job."`
	Wait        bool                   `help:"Show the progress until the job ends."`
	DryRun      bool                   `help:"Start and upload nothing, and say what the job would take, as mapreel estimate does. SOURCE is then a file of this machine."`
	JSON        bool                   `name:"json" help:"Print the job as JSON: a line for each change with --wait."`
	Concurrency *flagvalue.WholeNumber `group:"Work" placeholder:"N" help:"Units at once, at most."`
	Budget      *flagvalue.Money       `group:"Work" placeholder:"USD" help:"US dollars that the job may cost on AWS, by list prices. It stops before it is expected to exceed them, and continues with a higher budget."`
	Progress    progressMode           `enum:"auto,bar,none" default:"auto" placeholder:"HOW" help:"auto: bars on a terminal. bar: bars, or a line every few seconds without a terminal. none: nothing."`
}

// Help is shown by mapreel submit --help.
func (Submit) Help() string {
	return `Prints the name of the job. The same command again starts nothing while its job runs or after it is done, and continues an
upload that was interrupted.

Examples:

    mapreel submit film.mov -o film.mp4 --wait
    mapreel submit film.mov -o site/film.m3u8 --stack mapreel
    mapreel submit --request film.yaml --endpoint http://render:8083 --name film-1

` + exits
}

// Run starts it.
func (c Submit) Run(ctx context.Context, env Env) error {
	remote, err := c.open(ctx)
	if err != nil {
		return err
	}
	order, err := c.readOrder(&env)
	if err != nil {
		return err
	}
	if order != nil {
		job, started, err := c.submitTools(ctx, env, remote, order)
		return c.report(ctx, env, remote, job, started, err)
	}
	flags := c.Flags
	flags.Source, flags.Others, flags.Output, flags.Concurrency = c.Source, c.Others, c.Output, c.Concurrency
	flags.Budget = c.Budget
	at, there, err := c.place(ctx, remote, env)
	if err != nil {
		return err
	}
	req, _, err := flags.Read(env.Stdin, at)
	if err != nil {
		return err
	}
	if c.DryRun {
		return dryRun(ctx, env, req, c.JSON)
	}
	job, started, err := c.submit(ctx, env, remote, there, req)
	return c.report(ctx, env, remote, job, started, err)
}

// report prints a job that was submitted, and waits for its end where that is asked for.
func (c Submit) report(ctx context.Context, env Env, remote *client.Client, job client.Job, started bool, err error) error {
	switch {
	case err != nil:
		return err
	case c.Wait:
		return follow(ctx, env, remote, job.ARN, c.JSON, c.Progress)
	case job.Ended():
		if err := outcome(job); err != nil { // also of one that was refused at once
			return err
		}
		if started {
			break
		}
		printable.Fprintf(env.Stderr, "mapreel: this job was done before; with another --name it is done again\n")
	}
	if c.JSON {
		return printJSON(env.Stdout, job)
	}
	printable.Fprintf(env.Stdout, "%s\n", job.Name)
	return nil
}

// dryRun estimates a request whose source this machine can read.
func dryRun(ctx context.Context, env Env, req film.Request, asJSON bool) error {
	if !filepath.IsAbs(req.Source) {
		return fault.WithHint(fault.New(fault.Unsupported, "--dry-run reads the source, and %s is not on this machine", req.Source), "name a copy that is")
	}
	// Where the outputs will be makes no difference. A name of this machine stands for it, in which nothing is.
	if _, key, remote := strings.Cut(req.Destination, "://"); remote {
		req.Destination = filepath.Join(os.TempDir(), "mapreel-dry-run", key)
	}
	request, err := json.Marshal(req)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "request")
	}
	return env.Estimate(ctx, request, asJSON)
}

// place returns where the files of the request are, and for a server which of them are sent to it.
func (c Submit) place(ctx context.Context, remote *client.Client, env Env) (at requestflags.Place, there *serverPlaces, err error) {
	server, here := remote.OnServer()
	at = requestflags.On(env.Dir)
	at.Here, at.ConcurrencyFlag, at.Command = here, "--concurrency", "mapreel submit film.mov -o film.mp4"
	if server {
		if there, err = placesOf(ctx, remote, here, env.Dir); err != nil {
			return at, nil, err
		}
		at.Source, at.Destination = there.source, there.destination
		return at, there, nil
	}
	at.RetentionHours = 0 // the deployment's default
	at.Source = func(s string) (string, error) {
		if strings.HasPrefix(s, "s3://") {
			return remote.Locate(s, false)
		}
		if origin.OnWeb(s) {
			return webSource(s)
		}
		return requestflags.LocalPath(s, env.Dir)
	}
	at.Destination = func(s string) (string, error) { return remote.Locate(s, true) }
	return at, nil, nil
}

// pathThere returns a path of another machine.
func pathThere(s string) (string, error) {
	if origin.OnWeb(s) || origin.InS3(s) {
		return s, nil
	}
	if path, err := requestflags.LocalPath(s, "/"); err != nil || filepath.IsAbs(s) || strings.Contains(s, "://") {
		return path, err
	}
	return "", fmt.Errorf("%s is not absolute, and the server is another machine: give the path there", s)
}

// submit starts the job of a request. A source of this machine is uploaded first.
func (c Submit) submit(ctx context.Context, env Env, remote *client.Client, there *serverPlaces, req film.Request) (client.Job, bool, error) {
	var identity []string
	source := req.Source
	server, here := remote.OnServer()
	_, sequence := media.ParsePattern(source)
	switch {
	case server && there.send[source]: // its path there has a checksum of its content
		var err error
		if req.Source, err = c.upload(ctx, env, remote, source); err != nil {
			return client.Job{}, false, err
		}
	case here && sequence && missing(source):
		frames, err := framesIdentity(source)
		if err != nil {
			return client.Job{}, false, err
		}
		identity = []string{frames}
	case !server && sequence: // its name in a bucket says nothing of its frames
		return client.Job{}, false, fault.WithHint(fault.New(fault.Unsupported, "submit does not send an image sequence to AWS"),
			"put the frames into a bucket, and start the execution with source s3://BUCKET/FOLDER/"+path.Base(source))
	case here:
		info, err := os.Stat(source)
		if errors.Is(err, fs.ErrNotExist) {
			return client.Job{}, false, fault.WithHint(fault.New(fault.Invalid, "cannot read %s: no such file", source), "check the path of the source")
		}
		if err == nil { // the job reports one that cannot be read
			identity = []string{fmt.Sprint(info.Size()), info.ModTime().UTC().String()}
		}
	case server:
	case origin.InS3(source), origin.OnWeb(source):
		id, err := identityOf(ctx, remote, source)
		if err != nil {
			return client.Job{}, false, err
		}
		identity = []string{id}
	default: // its URL has a checksum of its content
		var err error
		if req.Source, err = c.upload(ctx, env, remote, source); err != nil {
			return client.Job{}, false, err
		}
	}
	for _, url := range req.Join {
		id, err := c.identity(ctx, remote, there, url)
		if err != nil {
			return client.Job{}, false, err
		}
		identity = append(identity, id...)
	}
	for _, f := range req.NamedFiles() {
		if server && !there.send[*f.URL] || !server && (origin.InS3(*f.URL) || origin.OnWeb(*f.URL)) {
			continue
		}
		var err error
		if *f.URL, err = c.upload(ctx, env, remote, *f.URL); err != nil {
			return client.Job{}, false, err
		}
	}
	request, err := json.Marshal(req)
	if err != nil {
		return client.Job{}, false, fault.Wrap(fault.Internal, err, "request")
	}
	name := c.Name
	if name == "" {
		name = client.JobName(source, request, identity...)
	}
	job, started, err := remote.Submit(ctx, name, request)
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted: it is not known whether job " + name + " was started; the same command goes on")
	}
	return job, started, err
}

// identity returns what tells the versions of a source apart that follows the first one. That of an uploaded one is in its URL.
func (c Submit) identity(ctx context.Context, remote *client.Client, there *serverPlaces, url string) ([]string, error) {
	server, here := remote.OnServer()
	switch {
	case server && there.send[url]:
	case here:
		if info, err := os.Stat(url); err == nil { // the job reports one that cannot be read
			return []string{fmt.Sprint(info.Size()), info.ModTime().UTC().String()}, nil
		}
	case !server && (origin.InS3(url) || origin.OnWeb(url)):
		id, err := identityOf(ctx, remote, url)
		return []string{id}, err
	}
	return nil, nil
}

// upload uploads a source.
func (c Submit) upload(ctx context.Context, env Env, remote *client.Client, path string) (string, error) {
	view := &transferView{}
	stop := view.show(env, c.JSON, c.Progress)
	url, err := remote.Upload(ctx, path, view.set)
	stop()
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted: nothing was started; the same command continues the upload")
	}
	return url, err
}
