package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
)

// The first view needs one script and one style sheet: on a busy machine each file costs the page longer than its bytes. So the modules
// that main.js imports are joined when the server starts. The dialog (start.js) is imported when it is opened.
var (
	importLine = regexp.MustCompile(`^import \{ ([\w$]+(?:, [\w$]+)*) \} from '\./(\w+)\.js';$`)
	exportLine = regexp.MustCompile(`^export ((?:async )?function\*?|class|const) ([\w$]+)`)
)

// bundler joins modules.
type bundler struct {
	files fs.FS
	done  map[string]bool // false while the modules that it imports are added
	out   bytes.Buffer
}

// bundle returns a module and those that it imports, as one that needs no other. Each is a function that returns what it exports. It knows
// the forms of imports and exports that the page has, and refuses others.
func bundle(files fs.FS, entry string) ([]byte, error) {
	b := bundler{files: files, done: map[string]bool{}}
	err := b.add(entry)
	return b.out.Bytes(), err
}

// add appends a module, by its name without extension, after those that it imports.
func (b *bundler) add(module string) error {
	if done, known := b.done[module]; known {
		if !done {
			return fault.New(fault.Internal, "%s.js imports itself", module)
		}
		return nil
	}
	b.done[module] = false
	text, err := fs.ReadFile(b.files, module+".js")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "a script of the page")
	}
	var body strings.Builder
	var exports []string
	for line := range strings.Lines(string(text)) {
		switch m := importLine.FindStringSubmatch(strings.TrimSuffix(line, "\n")); {
		case m != nil:
			if err := b.add(m[2]); err != nil {
				return err
			}
			line = fmt.Sprintf("const { %s } = module_%s;\n", m[1], m[2])
		case exportLine.MatchString(line):
			exports = append(exports, exportLine.FindStringSubmatch(line)[2])
			line = strings.TrimPrefix(line, "export ")
		case strings.HasPrefix(line, "import "), strings.HasPrefix(line, "export "):
			return fault.New(fault.Internal, "%s.js cannot be joined: %s", module, line)
		}
		body.WriteString(line)
	}
	b.done[module] = true
	fmt.Fprintf(&b.out, "const module_%s = (() => {\n%sreturn { %s };\n})();\n", module, &body, strings.Join(exports, ", "))
	return nil
}

// joined returns some files of the page one after the other.
func joined(files fs.FS, names ...string) ([]byte, error) {
	var out []byte
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fault.Wrap(fault.Internal, err, "a file of the page")
		}
		out = append(out, text...)
	}
	return out, nil
}

// firstMark is the place in index.html where the first message of the stream goes, so that the page has something to show before the
// stream has begun. It is a block of data, which no browser runs.
const firstMark = `<script id="first" type="application/json"></script>`

// first is what the page begins with.
type first struct {
	ID         string          `json:"id"` // of the message, which the stream continues
	Jobs       update          `json:"jobs"`
	Definition json.RawMessage `json:"definition"`
}

// index serves the page. Where the jobs cannot be read, the stream says why.
func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	text := s.assets["index.html"]
	if err := s.look(r.Context()); err == nil {
		u, now, _, _ := s.board.since(0)
		// Marshal writes <, > and & as escapes, so no text ends the block.
		if data, err := json.Marshal(first{s.board.id(now), u, s.opts.Definition}); err == nil {
			text = bytes.Replace(text, []byte(firstMark), slices.Concat([]byte(`<script id="first" type="application/json">`), data, []byte("</script>")), 1)
		}
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(text) // the browser may be gone
}
