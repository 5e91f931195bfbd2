package lambdafn_test

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/tool"
)

// A function hands a tool over to Batch as soon as the progress that the tool reports shows that it will miss its deadline, and a tool
// that reports none when its time is over. A function alone fails then.
func TestAToolWhosePaceIsTooSlowIsHandedOverEarly(t *testing.T) {
	const script = `"script": "echo $$ > \"$TMP_OUTPUT_DIR/$$.txt\"\n[ -e \"$MAPREEL_TOOLS_DIR/$MAPREEL_TOOL\" ] && exit\n` +
		`for i in 1 2 3 4 5 6 7 8 9; do echo 0.0$i > \"${REPORT:-$MAPREEL_PROGRESS_FILE}\"; sleep 3; done\n", "timeout": 24`
	list := `{"tools": [
		{"name": "paced", ` + script + `, "outputs": [{"path": "paced/"}]},
		{"name": "silent", ` + script + `, "environment": {"REPORT": "/dev/null"}, "outputs": [{"path": "silent/"}]},
		{"name": "alone", "mode": "lambda", ` + script + `, "outputs": [{"path": "alone/"}]}]}`
	deployed, err := tool.ParseDeployed([]byte(list))
	if err != nil {
		t.Fatal(err)
	}
	deployed.Folder = t.TempDir()
	c := newCloudWith(t, deployed)
	put(t, c, "in/film.mp4", clip(t, "film.mp4"))
	r := c.deploy(t).record()
	var mu sync.Mutex
	at := map[string]time.Time{} // when a task of a unit began in a state
	r.before = func(state, unit string) {
		mu.Lock()
		defer mu.Unlock()
		if at[state+" "+unit] = time.Now(); state != "Run on Batch" {
			return
		}
		for _, key := range keys(t, c.scratch, "") {
			if strings.Contains(key, "/"+unit+"/") {
				t.Errorf("the function left %q in scratch", key)
			}
		}
		if err := os.WriteFile(filepath.Join(deployed.Folder, path.Base(path.Dir(unit))), nil, 0o600); err != nil {
			t.Error(err)
		}
	}
	_, err = r.execute("arn:execution:alone", order(c, "alone"))
	if err == nil || !strings.Contains(err.Error(), "% done in ") || !strings.Contains(err.Error(), "will be missed") {
		t.Errorf("a function alone ends with %v", err)
	}
	if _, err := r.execute("arn:execution:handed", order(c, "paced", "silent")); err != nil {
		t.Fatal(err)
	}
	after := func(name string) time.Duration {
		unit := " tool/" + name + "/00000"
		handed, ok := at["Run on Batch"+unit]
		if !ok {
			t.Errorf("%s was not handed over", name)
		}
		return handed.Sub(at["Run on Lambda, else on Batch"+unit])
	}
	early, late := after("paced"), after("silent")
	t.Logf("handed over after %v, and without reports after %v", early.Round(time.Second/10), late.Round(time.Second/10))
	if early > late-8*time.Second {
		t.Errorf("handed over after %v, and without reports after %v: want at least 8 s earlier", early, late)
	}
	for _, name := range []string{"paced", "silent"} {
		if got := keys(t, c.media, "out/"+name+"/"); len(got) != 1 {
			t.Errorf("published are %q, want the one file of the second try", got)
		}
	}
	for _, key := range keys(t, c.scratch, "") {
		if strings.Contains(key, "/tool/") { // other files are of the job that failed, which can be continued
			t.Errorf("the jobs leave %q in scratch", key)
		}
	}
}
