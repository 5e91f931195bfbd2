package bomb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// evil is a text that a terminal obeys, and that forges a line.
const evil = "\x1b]0;owned\x07\x1b[2J\u202e\u009b31m\r\nmapreel: done\n"

// hostileNames returns a film whose name, title, language, chapters, tracks and attachments are evil.
func hostileNames(r *rand.Rand, folder string) ([]string, error) {
	list := [][]byte{
		track(2, subtitleTrack, "S_TEXT/UTF8", false, text(trackName, evil), text(language, evil[:8])),
		track(3, audioTrack, "A_"+evil, false, text(trackName, evil)),
	}
	extra := [][]byte{
		element(tags, element(tag, element(simpleTag, text(tagName, "TITLE"), text(tagString, evil)))),
		element(chapters, element(editionEntry, element(chapterAtom, number(chapterUID, 1), number(chapterStart, 0),
			element(chapterDisplay, text(chapterTitle, evil))))),
		element(attachments, element(attachedFile, text(fileName, "../"+evil), text(fileMime, evil), number(fileUID, 1), element(fileData, []byte("x")))),
	}
	data := still(list, shown(2, 0, 500, []byte(evil)), extra...)
	name := strings.ReplaceAll(evil, "/", "_") + ".mkv"
	extensions := []string{"mp4", "mkv", "m3u8", "webm"}
	return transcode(folder, name, data[:len(data)-r.IntN(2)*200], extensions[r.IntN(len(extensions))])
}

// hostileKeys returns a request or a ladder whose keys and values are evil.
func hostileKeys(r *rand.Rand, folder string) ([]string, error) {
	line := fmt.Sprintf("%q: %q\n", evil, evil)
	if r.IntN(2) == 0 {
		return request(folder, "request.yaml", "source: "+fmt.Sprintf("%q", evil)+"\ndestination: .\n"+line)
	}
	ladder := filepath.Join(folder, "ladder.yaml")
	if err := os.WriteFile(ladder, []byte("video:\n- {height: 1, "+strings.TrimSuffix(line, "\n")+"}\n"), 0o600); err != nil {
		return nil, err
	}
	return transcode(folder, "in.mkv", still(nil, nil), "m3u8", "--ladder", ladder)
}

// hostileLedger returns a scratch folder with a ledger that is none, or that is damaged.
func hostileLedger(r *rand.Rand, folder string) ([]string, error) {
	scratch := filepath.Join(folder, "scratch")
	if err := os.Mkdir(scratch, 0o700); err != nil {
		return nil, err
	}
	data := append([]byte("SQLite format 3\x00\x10\x00\x01\x01\x00\x40\x20\x20"), make([]byte, 4076)...)
	for range between(r, 0, 2000) {
		data[20+r.IntN(len(data)-20)] = byte(r.Uint32())
	}
	if r.IntN(3) == 0 {
		data = []byte(evil)
	}
	if err := os.WriteFile(filepath.Join(scratch, "ledger.db"), data, 0o600); err != nil {
		return nil, err
	}
	if r.IntN(2) == 0 {
		return []string{"jobs", "--scratch", scratch}, nil
	}
	return []string{"gc", "--scratch", scratch}, nil
}

// hiddenPipe returns a package that leads to a pipe in a roundabout way.
func hiddenPipe(r *rand.Rand, folder string) ([]string, error) {
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.m4s"), 0o600); err != nil {
		return nil, err
	}
	mpd := func(address string) string {
		return `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period><AdaptationSet>` +
			`<Representation id="1" bandwidth="1" mimeType="video/mp4" codecs="avc1.42c00a">` + address + `</Representation></AdaptationSet></Period></MPD>`
	}
	forms := [][2]string{
		{"out.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI=pipe.m4s\n#EXTINF:6,\nin.mkv\n#EXT-X-ENDLIST\n"},
		{"out.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\nfile:" + folder + "/pipe.m4s\n#EXT-X-ENDLIST\n"},
		{"out.mpd", mpd(`<SegmentList duration="1"><Initialization sourceURL='pipe.m4s'/><SegmentURL media='pipe.m4s'/></SegmentList>`)},
		{"out.mpd", mpd(`<BaseURL>` + folder + `/</BaseURL><SegmentTemplate initialization="p&#105;pe.m4s" media="pip$Number$.m4s" duration="1"/>`)},
	}
	form := forms[r.IntN(len(forms))]
	return verified(folder, form[0], form[1])
}

// packageOfFragments returns a package whose media are a flood of fragments, or claim sizes.
func packageOfFragments(r *rand.Rand, folder string) ([]string, error) {
	if _, err := fragmentFlood(r, folder); err != nil {
		return nil, err
	}
	media := filepath.Join(folder, "in.mov")
	data, err := os.ReadFile(media)
	if err != nil {
		return nil, err
	}
	if at := bytes.Index(data, []byte("moof")); r.IntN(2) == 0 && at > 4 {
		copy(data[at-4:], u32(r.Uint32()))
	}
	if err := os.WriteFile(filepath.Join(folder, "seg.m4s"), data, 0o600); err != nil {
		return nil, err
	}
	return verified(folder, "out.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-MAP:URI=\"seg.m4s\"\n"+
		strings.Repeat("#EXTINF:6,\nseg.m4s\n", between(r, 1, 50))+"#EXT-X-ENDLIST\n")
}

// hostileReport returns a report of a job that names an output as often as it likes.
func hostileReport(r *rand.Rand, folder string) ([]string, error) {
	report := filepath.Join(folder, "report.json")
	line := fmt.Sprintf(`{"type":"report","outputs":[%s{"url":"in.mkv","seams":[%s0]}],"warnings":[%q]}`,
		strings.Repeat(`{"url":"x"},`, between(r, 0, 100_000)), strings.Repeat("0.001,", between(r, 0, 200_000)), evil)
	if err := os.WriteFile(report, []byte(line), 0o600); err != nil {
		return nil, err
	}
	path := filepath.Join(folder, "in.mkv")
	return []string{"verify", path, path, "--progress", "none", "--report", report}, os.WriteFile(path, still(nil, nil), 0o600)
}
