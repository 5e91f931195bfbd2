package verify

import "testing"

// FuzzReadJob reads a report that is said to be of a job.
func FuzzReadJob(f *testing.F) {
	for _, text := range []string{
		`{"type":"report","outputs":[{"url":"file:///o.mp4","seams":[1,2.5]}],"warnings":["w"]}`, "{}\n" + `{"type":"report","outputs":[{"url":"/o.mp4"}]}` + "\n",
		`{"type":"report"}`, `{"type":"report","outputs":[{"url":"/o.mp4","seams":[1e300,-1]}]}`, "null", "", "{",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(_ *testing.T, text []byte) {
		job, err := ReadJob(text, "/o.mp4")
		if err != nil {
			return
		}
		v := Video{}
		v.addSeams(job.Seams)
	})
}
