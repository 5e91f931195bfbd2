// Package blender runs Blender: it asks what a scene has, and renders frames of it. Blender runs without the scripts of the scene,
// without network, and sees nothing but the scene, what that reads, and a folder of its own.
//
//	about, err := program.Describe(ctx, place, settings, dir)
//	err = program.Render(ctx, place, task, func(f blender.Frame) error { … })
package blender

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/tool/confine"
)

//go:embed scene.py
var sceneScript []byte

// Program is how Blender is run. Self is the program and arguments that call confine.Main.
type Program struct {
	Self []string
	// Alone says that this machine works on one job at a time and shares no files: see confine.Options.
	Alone bool
	// Path is Blender's; "": the variable MAPREEL_BLENDER, or what PATH has.
	Path string

	pool *pool // nil: each task starts Blender for itself
}

// Variable is the environment variable that names the Blender to run.
const Variable = "MAPREEL_BLENDER"

// None is the value of Variable where Blender must not run, whether it is installed or not.
const None = "none"

// Find returns the path of Blender.
func (p Program) Find() (string, error) {
	path := p.Path
	if path == "" {
		path = os.Getenv(Variable)
	}
	switch path {
	case None:
		return "", fault.WithHint(fault.New(fault.Unsupported, "no scenes are rendered or estimated here"),
			"deploy with -c render=true to render scenes on AWS; mapreel estimate estimates them, on a machine with Blender")
	case "":
		path = "blender"
	}
	found, err := exec.LookPath(path)
	if err == nil {
		found, err = filepath.Abs(found)
	}
	if err == nil {
		found, err = filepath.EvalSymlinks(found)
	}
	if err != nil {
		return "", fault.WithHint(fault.New(fault.Unsupported, "there is no Blender here: %v", err),
			"install it (apt-get install blender; in a checkout: make setup-render), or name its program in "+Variable)
	}
	return found, nil
}

// description is how long Blender may take to open a scene and describe it, and rendering how long a unit may take.
const (
	description = 15 * time.Minute
	rendering   = 47 * time.Hour // less than the state machine's limit
)

const (
	maxProcesses = 512     // Blender has several pools of threads, each with one for each core
	maxDisk      = 8 << 30 // bytes of frames that wait to be stored
	maxReport    = 16 << 20
	maxFrame     = 1 << 30
)

// Prepare does what can be done before a scene is known. It may run beside other preparations. A failure is reported by what needs it.
func (p Program) Prepare(ctx context.Context) {
	if _, err := p.Find(); err == nil {
		confine.Prepare(ctx, confine.Options{Self: p.Self, Alone: p.Alone})
	}
}

// task is what the script reads.
type task struct {
	Settings render.Settings `json:"settings"`
	Report   string          `json:"report"`
	Output   string          `json:"output,omitempty"`
	Tile     *render.Tile    `json:"tile,omitempty"`   // nil: whole frames
	Sound    []int           `json:"sound,omitempty"`  // first and last frame of what is mixed; none: frames are rendered
	Frames   [][2]any        `json:"frames,omitempty"` // number, name
	Done     string          `json:"done,omitempty"`   // file in which Blender then says that this is done
	Next     string          `json:"next,omitempty"`   // file in which the next task will appear; none: Blender ends
	Bell     string          `json:"bell,omitempty"`   // FIFO to write to whenever there is something new to read; none: it is looked for
}

// About is what Blender says of a scene, with the settings applied.
type About struct {
	Blender       string    `json:"blender"`
	Scene         string    `json:"scene"`
	First         int       `json:"first"`
	Last          int       `json:"last"`
	Step          int       `json:"step"`
	FPS           int       `json:"fps"`
	FPSBase       float64   `json:"fpsBase"`
	Width         int       `json:"width"`
	Height        int       `json:"height"`
	AspectX       float64   `json:"aspectX"`
	AspectY       float64   `json:"aspectY"`
	Engine        string    `json:"engine"`
	Camera        string    `json:"camera"`
	Alpha         bool      `json:"alpha"`
	Strips        int       `json:"strips"` // of the sequencer that make pictures
	Sounds        bool      `json:"sounds"`
	SoundRate     int       `json:"soundRate"` // samples a second, of what is mixed
	SoundChannels int       `json:"soundChannels"`
	Files         []Used    `json:"files"`
	FileOutputs   []string  `json:"fileOutputs"`
	Simulations   []string  `json:"simulations"`
	Scripts       []string  `json:"scripts"`
	NoDenoiser    bool      `json:"noDenoiser"`
	Whole         []string  `json:"whole"`    // reasons why frames cannot be rendered as tiles
	Dithered      bool      `json:"dithered"` // unless tiles are rendered
	Adaptive      bool      `json:"adaptive"` // likewise
	GPUs          GPUs      `json:"gpus"`     // where the request asks for one
	Problems      []Problem `json:"problems"`
}

// GPUs are what Cycles may render on.
type GPUs struct {
	Kinds []string `json:"kinds"` // that this Blender has kernels for, such as CUDA, up to the first that this machine has
	Found bool     `json:"found"` // whether this machine has a GPU of the last kind in Kinds
}

// Used is a file that a scene reads.
type Used struct {
	Path string `json:"path"`
	What string `json:"what"`
}

// Problem is what is wrong with a field of the request.
type Problem struct {
	Pointer string `json:"pointer"`
	Message string `json:"message"`
}

// Ahead says how many processes should have the scene open when its units begin, and what each unit has. The zero value is none.
type Ahead struct {
	Workers int
	Threads int
	Memory  int64
}

// Describe asks Blender what a scene has. dir is a private folder.
func (p Program) Describe(ctx context.Context, at Place, s render.Settings, dir string, a Ahead) (about About, err error) {
	if o := p.poolFor(at, s); o != nil && a.Workers > 0 {
		about, err = o.describe(ctx, p, at, s, a)
		if err == nil || ctx.Err() != nil || fault.KindOf(err) == fault.OutOfTime {
			return about, err
		}
		// It had the memory of a unit, which says less than a failure with all of the machine's.
	}
	one, err := p.single(at, how{Settings: s}, dir, "describe")
	if err != nil {
		return about, err
	}
	return describe(ctx, one, s)
}

func describe(ctx context.Context, in *session, s render.Settings) (about About, err error) {
	t := task{Settings: s, Report: in.path("about.json")}
	if err := in.run(ctx, t, description); err != nil {
		return about, unreadable(err)
	}
	data, err := readBounded(in.work, filepath.Base(t.Report), maxReport)
	if err == nil {
		err = json.Unmarshal(data, &about)
	}
	return about, fault.Wrap(fault.Unsupported, err, "Blender did not say what the scene has")
}

// unreadable adds what the failure of a description probably means.
func unreadable(err error) error {
	if fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) != "" {
		return err
	}
	return fault.WithHint(err, "check that this Blender opens the scene: one of an older version does not read all files of a newer one")
}

// open opens a file that Blender has written below its folder. A scene that has taken Blender over may have put something else in its
// place: a link to a file or folder that Blender itself may not read, or a FIFO, which would block.
func open(folder, name string) (*os.File, error) {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // it was only read
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// readBounded returns the content of a file that Blender has written below its folder, of at most limit bytes.
func readBounded(folder, name string, limit int64) ([]byte, error) {
	f, err := open(folder, name)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err = errors.Join(err, f.Close()); err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, err
}

// Range is what Render does: frames by their names, with the settings.
type Range struct {
	Settings render.Settings
	Numbers  []int
	Threads  int // 0: all of the machine's
	Memory   int64
	Tile     *render.Tile // nil: whole frames
	Files    []string     // paths of what the scene reads
}

// Frame is a frame that was rendered.
type Frame struct {
	Number  int
	Path    string // of the file
	Seconds float64
}

// Read returns the content of the frame's file.
func (f Frame) Read() ([]byte, error) {
	folder, name := f.split()
	return readBounded(folder, name, maxFrame)
}

// Remove removes the frame's file.
func (f Frame) Remove() error {
	folder, name := f.split()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	return errors.Join(root.Remove(name), root.Close())
}

// split returns the folder of the output's folder, and the rest of the path. Blender may replace the latter, but not the former.
func (f Frame) split() (folder, name string) {
	output := filepath.Dir(f.Path)
	return filepath.Dir(output), filepath.Join(filepath.Base(output), filepath.Base(f.Path))
}

// Pace is what a run of Blender took.
type Pace struct {
	Start  float64 // seconds until the first frame began
	Frames []float64
}

// Failure is a frame that could not be rendered.
type Failure struct {
	Number int
	Error  string
}

// Damaged says what is wrong with a frame that Blender takes for a good one.
type Damaged struct{ Err error }

// Error implements error.
func (d Damaged) Error() string { return d.Err.Error() }

// Unwrap returns what is wrong.
func (d Damaged) Unwrap() error { return d.Err }

// line is a line of the report.
type line struct {
	Frame   int     `json:"frame"`
	Error   string  `json:"error"`
	Seconds float64 `json:"seconds"`
}

// watching is how often the folder is looked at for new frames, without a bell.
const watching = 100 * time.Millisecond

// Render renders frames, and calls done for each as soon as its file is whole. done may remove the file. An error of done ends the
// run, unless it is Damaged. Frames that fail do not stop the others; they are returned with the error. done may not use the file once it
// has returned.
func (p Program) Render(ctx context.Context, at Place, r Range, dir string, done func(Frame) error) (pace Pace, failed []Failure, err error) {
	in, err := p.open(ctx, at, how{r.Settings, r.Threads, r.Memory, r.Files}, dir, "render")
	if err != nil {
		return pace, nil, err
	}
	defer in.end()
	t := task{Settings: r.Settings, Report: in.path("frames.jsonl"), Output: in.path("frames"), Tile: r.Tile}
	for _, n := range r.Numbers {
		t.Frames = append(t.Frames, [2]any{n, frameName(n, r.Settings.Format)})
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- in.run(ctx, t, rendering) }()
	w := watcher{report: t.Report, output: t.Output, format: r.Settings.Format, numbers: r.Numbers, done: done, spoil: in.spoil, began: began}
	rung, interval := in.bell.forLine(watching)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-rung:
		case <-tick.C:
		case err := <-ended:
			lost := w.look() // also after a failure: each frame counts
			return w.pace, w.failed, errors.Join(err, lost)
		}
		if err := w.look(); err != nil {
			stop(err)
			<-ended //nolint:errcheck // it ends because of err
			return w.pace, w.failed, err
		}
	}
}

func frameName(number int, f render.Format) string { return strconv.Itoa(number) + "." + f.Extension() }

// watcher reads the report of a run as it grows.
type watcher struct {
	report, output string
	format         render.Format
	numbers        []int // of the frames that Blender was asked for
	done           func(Frame) error
	spoil          func()
	began          time.Time

	read   int64 // bytes of the report
	pace   Pace
	failed []Failure
}

// look passes on what has been reported since it was called last.
func (w *watcher) look() error {
	f, err := open(filepath.Split(w.report))
	if err != nil {
		return nil //nolint:nilerr // Blender has not come so far yet
	}
	defer f.Close() //nolint:errcheck // it was only read
	if _, err := f.Seek(w.read, 0); err != nil {
		return err
	}
	in := bufio.NewReader(io.LimitReader(f, maxReport))
	for {
		text, err := in.ReadBytes('\n')
		if err != nil {
			return nil //nolint:nilerr // the rest of the line is still to come
		}
		w.read += int64(len(text))
		var l line
		if err := json.Unmarshal(bytes.TrimSpace(text), &l); err != nil {
			return fault.Wrap(fault.Unsupported, err, "report of Blender")
		}
		if !slices.Contains(w.numbers, l.Frame) {
			return fault.New(fault.Unsupported, "Blender reports frame %d, which it was not asked for", l.Frame)
		}
		if w.pace.Start == 0 {
			w.pace.Start = max(time.Since(w.began).Seconds()-l.Seconds, 0)
		}
		if l.Error != "" {
			w.failed = append(w.failed, Failure{l.Frame, l.Error})
			continue
		}
		w.pace.Frames = append(w.pace.Frames, l.Seconds)
		err = w.done(Frame{l.Frame, filepath.Join(w.output, frameName(l.Frame, w.format)), l.Seconds})
		var damaged Damaged
		switch {
		case errors.As(err, &damaged):
			w.failed = append(w.failed, Failure{l.Frame, damaged.Error()})
			w.spoil()
		case err != nil:
			return err
		}
	}
}

// how is what Blender is started with for a scene.
type how struct {
	Settings render.Settings
	Threads  int // 0: all of the machine's
	Memory   int64
	Files    []string // paths of what the scene reads
}

// session is Blender for one task: a process that is started for it, or one that has the scene open already.
type session struct {
	work   string // all that Blender may write
	prefix string // of the names of the task's files in work
	run    func(ctx context.Context, t task, timeout time.Duration) error
	end    func() // to be called once what the task has written was read
	spoil  func() // to be called before that where it is damaged
	bell   *bell  // nil: none
}

// path returns the path of a file or folder that the task writes.
func (s *session) path(name string) string { return filepath.Join(s.work, s.prefix+name) }

// open returns Blender for a task. dir is a private folder, and name that of a folder in it.
func (p Program) open(ctx context.Context, at Place, h how, dir, name string) (*session, error) {
	if o := p.poolFor(at, h.Settings); o != nil {
		return o.session(ctx, p, at, h)
	}
	return p.single(at, h, dir, name)
}

// single returns Blender that is started for one task.
func (p Program) single(at Place, h how, dir, name string) (*session, error) {
	if _, err := p.Find(); err != nil {
		return nil, err
	}
	work := filepath.Join(dir, name)
	run := func(ctx context.Context, t task, timeout time.Duration) error {
		data, err := json.Marshal(t)
		if err != nil {
			return fault.Wrap(fault.Internal, err, "task for Blender")
		}
		script, task := filepath.Join(work, "scene.py"), filepath.Join(work, "task.json")
		err = errors.Join(os.RemoveAll(work), os.MkdirAll(work, 0o700), os.WriteFile(script, sceneScript, 0o600), os.WriteFile(task, data, 0o600))
		if err != nil {
			return fault.Wrap(fault.KindOf(err), err, "working folder of Blender")
		}
		return p.launch(ctx, at, launch{script: script, task: task, work: work, timeout: timeout, memory: h.Memory, threads: h.Threads, devices: devices(h.Settings, DeviceNodes)})
	}
	return &session{work: work, run: run, end: func() {}, spoil: func() {}}, nil
}

// launch is a process of Blender with the script.
type launch struct {
	script, task string   // files
	work         string   // all that it may write
	readable     []string // in addition to what the scene reads
	devices      []string // nodes of a GPU
	timeout      time.Duration
	memory       int64 // 0: all of the machine's
	threads      int
}

// launch runs a process to its end.
func (p Program) launch(ctx context.Context, at Place, l launch) error {
	program, err := p.Find()
	if err != nil {
		return err
	}
	if l.memory <= 0 {
		l.memory = process.MachineMemory()
	}
	const leastMemory = 1 << 30 // what Blender needs for an empty scene
	disk := int64(maxDisk)
	if free, err := process.FreeDisk(l.work); err == nil {
		disk = min(disk, free-free/16)
	}
	return confine.Run(ctx, confine.Options{
		Spec: confine.Spec{
			Command: args(program, at.Scene, l.script, l.task, l.threads), Dir: l.work, Writable: []string{l.work},
			Readable: slices.Concat([]string{filepath.Dir(program)}, at.Readable, l.readable),
			Devices:  l.devices,
			Memory:   max(l.memory, leastMemory), Disk: max(disk, 1<<20), Processes: maxProcesses, Timeout: l.timeout,
		},
		Self: p.Self, Name: "Blender", Env: environment(l.work), Alone: p.Alone,
	})
}

// DeviceNodes is the folder of the system's device nodes.
const DeviceNodes = "/dev"

// gpuNodes are the device nodes that compute on GPUs: those of NVIDIA's driver, and those of the kernel's own. None of them draws on a
// screen.
var gpuNodes = []string{"nvidiactl", "nvidia[0-9]*", "nvidia-caps/nvidia-cap[0-9]*", uvmNode, "dri/renderD*", "kfd"} //nolint:gochecknoglobals // a constant list

// uvmNode is the device node of CUDA's memory. The system makes it when the first program asks for it, which a sandbox cannot.
const uvmNode = "nvidia-uvm"

// devices lists the device nodes in a folder, that of the system, which Blender needs for a scene.
func devices(s render.Settings, folder string) (list []string) {
	if s.Device != render.GPU {
		return nil
	}
	for _, pattern := range gpuNodes {
		found, _ := filepath.Glob(filepath.Join(folder, pattern)) // the patterns are good
		list = append(list, found...)
	}
	return list
}

// LacksUVM reports whether a folder of device nodes has those of NVIDIA's driver, but not yet the one that CUDA needs besides.
func LacksUVM(folder string) bool {
	_, driver := os.Stat(filepath.Join(folder, "nvidiactl"))
	_, uvm := os.Stat(filepath.Join(folder, uvmNode))
	return driver == nil && errors.Is(uvm, fs.ErrNotExist)
}

// args are the command line of Blender. The order matters to it.
func args(program, scene, script, task string, threads int) []string {
	list := []string{program, "--background", "--factory-startup", "--disable-autoexec", "-noaudio"}
	if threads > 0 {
		list = append(list, "--threads", strconv.Itoa(threads))
	}
	return append(list, scene, "--python-exit-code", "3", "--python", script, "--", task)
}

// environment has everything that Blender keeps in the working folder.
func environment(work string) []string {
	return []string{"HOME=" + work, "TMPDIR=" + work, "TMP=" + work, "TEMP=" + work, "XDG_CONFIG_HOME=" + work, "XDG_CACHE_HOME=" + work}
}

// FormatFailures says which frames failed, and why the first of them.
func FormatFailures(failed []Failure) string {
	var numbers []int
	for _, f := range failed {
		numbers = append(numbers, f.Number)
	}
	noun := "frame "
	if len(numbers) > 1 {
		noun = "frames "
	}
	why, _, _ := strings.Cut(failed[0].Error, "\n")
	return noun + render.FormatFrames(numbers) + " could not be rendered: " + why
}
