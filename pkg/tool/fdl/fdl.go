// Package fdl translates the Functions Definition Language of SCAR and OSCAR into tools. Each function becomes a tool, and a function
// whose input is another's output becomes one that gets what the other leaves.
//
//	result, err := fdl.Translate(tree) // err holds every film.Problem with its JSON pointer
//
// Nothing is left out silently: a field is read, or a note names it, or it is refused. Package tool checks the tools once more.
package fdl

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/work"
)

// Result is what a file says.
type Result struct {
	Tools []tool.Tool
	// Notes are what has no counterpart, or one that differs, by its JSON pointer.
	Notes []film.Problem
}

// Translate translates a file, as encoding/json or a YAML decoder reads it.
func Translate(tree map[string]any) (Result, error) {
	t := &translator{}
	t.walk("", nil, tree)
	if len(t.problems) > 0 {
		return Result{}, t.problems.Err()
	}
	var list []function
	functions := object(tree["functions"])
	for i, v := range array(functions["aws"]) {
		list = append(list, t.lambda(fmt.Sprintf("/functions/aws/%d", i), object(v)))
	}
	for i, v := range array(functions["oscar"]) {
		clusters := object(v)
		for _, cluster := range slices.Sorted(maps.Keys(clusters)) {
			list = append(list, t.service(fmt.Sprintf("/functions/oscar/%d/%s", i, film.PointerStep(cluster)), object(clusters[cluster])))
		}
	}
	if len(list) == 0 && len(t.problems) == 0 {
		t.refuse("/functions", "there is no function of aws or oscar")
	}
	t.chain(list)
	t.separate(list)
	if len(t.problems) > 0 {
		return Result{}, t.problems.Err()
	}
	result := Result{Notes: t.notes}
	for _, f := range list {
		result.Tools = append(result.Tools, f.Tool)
	}
	return result, check(result.Tools, list)
}

// check has package tool check the tools. Its problems are those of the functions.
func check(tools []tool.Tool, list []function) error {
	data, err := json.Marshal(tool.Request{Source: "/source", Destination: "/destination", Tools: tools})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "tools of functions")
	}
	_, err = tool.Parse(data)
	var ps, own film.Problems
	if !errors.As(err, &ps) {
		return err
	}
	for _, p := range ps {
		var i int
		if n, _ := fmt.Sscanf(p.Pointer, "/tools/%d", &i); n == 1 && i < len(list) {
			_, rest, _ := strings.Cut(strings.TrimPrefix(p.Pointer, "/tools/"), "/") // the field of the tool
			p = film.Problem{Pointer: list[i].pointer, Message: rest + " of its tool: " + p.Message}
		}
		own = append(own, p)
	}
	return own.Err()
}

// function is a function on its way to a tool.
type function struct {
	tool.Tool
	pointer string
	inputs  []place
	outputs []place // one for each of Tool.Outputs
}

// place is where a function reads or writes.
type place struct {
	pointer, provider, path string
}

type translator struct {
	problems film.Problems
	notes    []film.Problem
}

func (t *translator) refuse(pointer, format string, args ...any) {
	t.problems = append(t.problems, film.Problem{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
}

func (t *translator) note(pointer, format string, args ...any) {
	t.notes = append(t.notes, film.Problem{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
}

// lambda translates an element of functions.aws.
func (t *translator) lambda(pointer string, v map[string]any) function {
	l, batch := object(v["lambda"]), object(v["batch"])
	at := pointer + "/lambda"
	container := object(l["container"])
	f := function{pointer: at}
	f.Name = t.name(at, l)
	f.Image = t.text(at+"/container/image", container["image"])
	f.Script = t.script(at+"/init_script", l["init_script"], f.Image)
	f.Environment = map[string]string{}
	t.variables(f.Environment, at+"/container/environment/Variables", object(object(container["environment"])["Variables"]))
	t.variables(f.Environment, at+"/environment/Variables", object(object(l["environment"])["Variables"]))
	mode := t.text(at+"/execution_mode", l["execution_mode"])
	switch f.Mode = work.Route(mode); f.Mode {
	case "":
		f.Mode = work.RouteLambda
	case work.RouteLambda, work.RouteBatch, work.RouteLambdaBatch:
	default:
		t.refuse(at+"/execution_mode", "must be lambda, batch or lambda-batch")
	}
	const defaultMemory, defaultBatchMemory, defaultTimeout, longestTimeout = 512, 1024, 300, 86400
	memory, batchMemory := t.number(at+"/memory", l["memory"], defaultMemory), t.number(pointer+"/batch/memory", batch["memory"], defaultBatchMemory)
	timeout := t.number(at+"/timeout", l["timeout"], defaultTimeout)
	switch f.Mode {
	case work.RouteBatch:
		f.Memory, f.Timeout = batchMemory, longestTimeout
	case work.RouteLambdaBatch:
		f.Memory, f.Timeout = max(memory, batchMemory), longestTimeout
		t.note(at+"/timeout", "it bounds the attempt on Lambda alone; the tool's timeout is that of Batch, a day")
	default:
		f.Memory, f.Timeout = memory, timeout
	}
	if f.Mode != work.RouteLambda {
		f.VCPUs = t.number(pointer+"/batch/vcpus", batch["vcpus"], 1)
		f.GPU = t.flag(pointer+"/batch/enable_gpu", batch["enable_gpu"])
	} else if len(batch) > 0 {
		t.note(pointer+"/batch", "ignored: the execution mode is lambda")
	}
	t.places(&f, at, l)
	return f
}

// service translates a service of OSCAR.
func (t *translator) service(pointer string, s map[string]any) function {
	f := function{pointer: pointer}
	f.Name = t.name(pointer, s)
	f.Image = t.text(pointer+"/image", s["image"])
	f.Script = t.script(pointer+"/script", s["script"], f.Image)
	f.Memory = t.quantity(pointer+"/memory", s["memory"])
	f.GPU = t.flag(pointer+"/enable_gpu", s["enable_gpu"])
	if cpu := strings.TrimSpace(fmt.Sprint(s["cpu"])); s["cpu"] != nil {
		n, err := strconv.ParseFloat(strings.TrimSuffix(cpu, "m"), 64)
		if strings.HasSuffix(cpu, "m") {
			n /= 1000
		}
		if err != nil || n <= 0 || n > 192 {
			t.refuse(pointer+"/cpu", "must be a number of processors, such as 0.5")
		} else {
			f.VCPUs = max(int(n+0.999), 1)
		}
	}
	f.Environment = map[string]string{}
	for _, key := range []string{"variables", "Variables"} {
		t.variables(f.Environment, pointer+"/environment/"+key, object(object(s["environment"])[key]))
	}
	t.places(&f, pointer, s)
	return f
}

var notInNames = regexp.MustCompile(`[^a-z0-9_-]+`)

// name returns the name of a tool.
func (t *translator) name(pointer string, v map[string]any) string {
	given := t.text(pointer+"/name", v["name"])
	const longest = 40
	name := strings.TrimLeft(notInNames.ReplaceAllString(strings.ToLower(given), "-"), "-_")
	name = name[:min(len(name), longest)]
	switch {
	case given == "":
		t.refuse(pointer, "has no name")
	case name == "":
		t.refuse(pointer+"/name", "has no letter or digit")
	case name != given:
		t.note(pointer+"/name", "the tool is named %s", name)
	}
	return name
}

// script returns the path of a script.
func (t *translator) script(pointer string, v any, image string) string {
	script := t.text(pointer, v)
	if script == "" {
		what := "has no script"
		if image != "" {
			what += ", and a tool does not run an image's own command"
		}
		t.refuse(path.Dir(pointer), "%s: name one with %s", what, path.Base(pointer))
	}
	return script
}

// secretName matches the names of variables that probably hold a secret.
var secretName = regexp.MustCompile(`(?i)(^|_)(key|token|secret|password|passwd|credentials?)($|_)`)

func (t *translator) variables(to map[string]string, pointer string, from map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(from)) {
		at := pointer + "/" + film.PointerStep(name)
		switch v := from[name].(type) {
		case string:
			to[name] = v
		case nil:
			to[name] = ""
		case map[string]any, []any:
			t.refuse(at, "must be a text")
			continue
		default:
			to[name] = plain(v)
		}
		if secretName.MatchString(name) {
			t.note(at, "the environment is recorded with the job: where this is a secret, list its name in secrets of the tool instead")
		}
	}
}

// places reads the inputs and outputs of a function.
func (t *translator) places(f *function, pointer string, v map[string]any) {
	read := func(name string) (list []place) {
		for i, e := range array(v[name]) {
			at := fmt.Sprintf("%s/%s/%d", pointer, name, i)
			o := object(e)
			p := place{at, strings.TrimSuffix(t.text(at+"/storage_provider", o["storage_provider"]), ".default"), strings.Trim(t.text(at+"/path", o["path"]), "/")}
			if p.path == "" {
				t.refuse(at, "has no path")
			}
			list = append(list, p)
		}
		return list
	}
	f.inputs, f.outputs = read("input"), read("output")
	for i, p := range f.outputs {
		o := object(array(v["output"])[i])
		f.Outputs = append(f.Outputs, tool.Output{
			Path: p.path, Prefix: t.texts(p.pointer+"/prefix", o["prefix"]), Suffix: t.texts(p.pointer+"/suffix", o["suffix"]),
		})
	}
	if len(f.outputs) == 0 {
		t.note(pointer, "has no output: the files that it leaves are published in %s", f.Name)
		f.Outputs = []tool.Output{{Path: f.Name}}
	}
	f.Each.Part = tool.File
}

// chain has each function get what the function before it leaves: the one whose output is its input.
func (t *translator) chain(list []function) {
	for i := range list {
		f := &list[i]
		for _, in := range f.inputs {
			var before []tool.Each
			for _, other := range list {
				for n, out := range other.outputs {
					if out.provider == in.provider && out.path == in.path {
						before = append(before, tool.Each{Tool: other.Name, Prefix: other.Outputs[n].Prefix, Suffix: other.Outputs[n].Suffix})
					}
				}
			}
			switch {
			case len(before) == 0 && f.Each.Tool != "" || len(before) > 1 || len(before) == 1 && f.Each.Tool != "":
				t.refuse(in.pointer, "a tool has one input, and this function would have several: divide it")
			case len(before) == 1:
				f.Each = before[0]
				t.note(in.pointer, "it runs once for all files that %s leaves for its input, where SCAR runs it once for each: it gets their folder", f.Each.Tool)
			case in.pointer != f.inputs[0].pointer && f.Each.Part == tool.File:
				t.note(in.pointer, "ignored: it runs for the source of mapreel run")
			default:
				t.note(in.pointer, "it runs for the source of mapreel run, not for each upload to %s", in.path)
			}
		}
		if len(f.inputs) == 0 {
			t.note(f.pointer, "has no input: it runs for the source of mapreel run")
		}
		if f.Each.Tool == f.Name {
			t.refuse(f.pointer, "its output is its own input, so that it would start itself again")
		}
	}
}

// separate gives each function folders of its own: numbered files of two would lie between each other.
func (t *translator) separate(list []function) {
	owner, names := map[string]string{}, map[string]string{}
	for i := range list {
		f := &list[i]
		if other := names[f.Name]; other != "" {
			t.refuse(f.pointer+"/name", "%s has the same name %s", other, f.Name)
		}
		names[f.Name] = f.pointer
		for n := range f.Outputs {
			o := &f.Outputs[n]
			o.Path = path.Clean(o.Path)
			if other := owner[o.Path]; other != "" && other != f.Name {
				t.note(f.outputs[n].pointer+"/path", "%s publishes there, too: the folder is %s/%s", other, o.Path, f.Name)
				o.Path += "/" + f.Name
			}
			owner[o.Path] = f.Name
		}
	}
}
