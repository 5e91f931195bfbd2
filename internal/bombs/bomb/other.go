package bomb

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func le32(numbers ...uint32) (out []byte) {
	for _, n := range numbers {
		out = binary.LittleEndian.AppendUint32(out, n)
	}
	return out
}

func claimedWAV(r *rand.Rand, folder string) ([]string, error) {
	channels, rate := uint16(1)<<between(r, 0, 15), uint32(1)<<between(r, 10, 31)
	data := append([]byte("RIFF"), le32(0xffffffff)...)
	data = append(append(append(data, "WAVEfmt "...), le32(16)...), 1, 0)
	data = binary.LittleEndian.AppendUint16(data, channels)
	data = append(data, le32(rate, rate*4)...)
	data = binary.LittleEndian.AppendUint16(data, channels*2)
	data = append(append(append(data, 16, 0), "data"...), le32(0xffffffff)...)
	return transcode(folder, "in.wav", append(data, make([]byte, between(r, 1000, 4_000_000))...), "mp4")
}

func claimedAVI(r *rand.Rand, folder string) ([]string, error) {
	chunk := func(kind string, body []byte) []byte {
		return append(append([]byte(kind), le32(uint32(len(body)))...), body...)
	}
	list := func(kind string, body []byte) []byte { return chunk("LIST", append([]byte(kind), body...)) }
	jpg := picture(160, 90)
	if len(jpg)%2 == 1 {
		jpg = append(jpg, 0)
	}
	frames := uint32(1) << between(r, 3, 31)
	header := chunk("avih", le32(40_000, 0, 0, 0x10, frames, 0, 1, 0, 160, 90, 0, 0, 0, 0))
	stream := chunk("strh", append([]byte("vidsMJPG"), le32(0, 0, 0, 1, 1<<between(r, 0, 30), 0, frames, 0, 0, 0, 0, 0)...))
	format := chunk("strf", append(le32(40, 160, 90, 1|24<<16), append([]byte("MJPG"), le32(0, 0, 0, 0, 0)...)...))
	var media []byte
	for range 5 {
		media = append(media, chunk("00dc", jpg)...)
	}
	for range between(r, 1000, 100_000) {
		media = append(media, chunk("00dc", nil)...) // empty packets
	}
	body := append(list("hdrl", append(header, list("strl", append(stream, format...))...)), list("movi", media)...)
	return transcode(folder, "in.avi", chunk("RIFF", append([]byte("AVI "), body...)), "mp4")
}

func claimedY4M(r *rand.Rand, folder string) ([]string, error) {
	data := fmt.Sprintf("YUV4MPEG2 W%d H%d F%d:1 Ip C420\nFRAME\n", 1<<between(r, 6, 30), 1<<between(r, 6, 30), 1<<between(r, 0, 30))
	return transcode(folder, "in.y4m", append([]byte(data), make([]byte, 100_000)...), "mp4")
}

func claimedIVF(r *rand.Rand, folder string) ([]string, error) {
	data := append([]byte("DKIF\x00\x00\x20\x00VP80"), 0, 1, 0, 1) // 256 x 256
	data = append(data, le32(1<<uint(between(r, 0, 30)), 1, 0xffffffff, 0)...)
	for i := range uint64(between(r, 1000, 20_000)) {
		data = append(data, le32(uint32(between(r, 0, 8)))...)
		data = binary.LittleEndian.AppendUint64(data, i<<between(r, 0, 50))
		data = append(data, make([]byte, 8)...)
	}
	return transcode(folder, "in.ivf", data, "mp4")
}

func claimedFLV(r *rand.Rand, folder string) ([]string, error) {
	data := []byte("FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
	for range between(r, 1000, 50_000) {
		size := between(r, 1, 16)
		at := r.Uint32()
		data = append(data, []byte{8, 9, 18}[r.IntN(3)], 0, 0, byte(size), byte(at>>16), byte(at>>8), byte(at), byte(at>>24), 0, 0, 0)
		for range size {
			data = append(data, byte(r.Uint32()))
		}
		data = append(data, u32(uint32(size+11))...)
	}
	return transcode(folder, "in.flv", data, "mp4")
}

func claimedGIF(r *rand.Rand, folder string) ([]string, error) {
	data := append([]byte("GIF89a"), 0xff, 0x3f, 0xff, 0x21, 0x80, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff) // 16383 x 8703
	for range between(r, 100, 2000) {
		data = append(data, 0x21, 0xf9, 4, 0, 0xff, 0xff, 0, 0)                               // for 655 s
		data = append(data, 0x2c, 0, 0, 0, 0, 0xff, 0x3f, 0xff, 0x21, 0, 2, 2, 0x4c, 0x01, 0) // one code, and the end
	}
	return transcode(folder, "in.gif", append(data, 0x3b), "mp4")
}

// zeros returns a sparse file: a header, and gigabytes of nothing.
func zeros(r *rand.Rand, folder string) ([]string, error) {
	heads := map[string]string{
		"in.ts": "", "in.mpg": "\x00\x00\x01\xba\x44\x00\x04\x00\x04\x01\x00\x03\xf8\xf8", "in.mp3": "ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00",
		"in.mkv": string(element(ebmlHead, text(docType, "matroska"))), "in.flac": "fLaC\x80\x00\x00\x22",
	}
	names := []string{"in.ts", "in.mpg", "in.mp3", "in.mkv", "in.flac"}
	name := names[r.IntN(len(names))]
	head := []byte(heads[name])
	if name == "in.ts" {
		for range 40 {
			head = append(head, append([]byte{0x47, 0x1f, 0xff, 0x10}, make([]byte, 184)...)...)
		}
	}
	args, err := transcode(folder, name, head, "mp4")
	if err != nil {
		return nil, err
	}
	return args, os.Truncate(filepath.Join(folder, name), int64(between(r, 1, 8))<<30)
}

// containers are those of which damaged makes files, by extension; in one of several, it takes any.
var containers = []struct {
	name       string
	extensions []string
}{
	{"MP4", []string{"mp4", "3gp"}},
	{"QuickTime", []string{"mov"}},
	{"Matroska", []string{"mkv"}},
	{"WebM", []string{"webm"}},
	{"transport stream", []string{"ts", "m2ts"}},
	{"program stream", []string{"mpg"}},
	{"AVI", []string{"avi"}},
	{"FLV", []string{"flv"}},
	{"Ogg", []string{"ogv", "ogg"}},
	{"ASF", []string{"wmv"}},
	{"MXF", []string{"mxf"}},
	{"NUT", []string{"nut"}},
	{"GIF", []string{"gif"}},
	{"APNG", []string{"apng"}},
	{"DV", []string{"dv"}},
	{"WTV", []string{"wtv"}},
	{"RealMedia", []string{"rm"}},
	{"IVF or YUV4MPEG2", []string{"ivf", "y4m"}},
	{"raw H.264 or H.265", []string{"h264", "h265"}},
	{"raw MPEG video", []string{"m1v", "m4v"}},
	{"sound with tables", []string{"wav", "aiff", "caf", "w64", "m4a"}},
	{"sound of frames", []string{"flac", "mp3", "aac", "ac3", "eac3"}},
}

// clip returns a good file of a second in a container.
func clip(folder, extension string) ([]byte, error) {
	name := filepath.Join(folder, "in."+extension)
	args := []string{
		"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=1",
		"-f", "lavfi", "-i", "sine=frequency=400:sample_rate=48000:duration=1",
	}
	switch extension {
	case "flv":
		args = append(args, "-ar", "44100")
	case "dv":
		args = append(args, "-s", "720x576", "-pix_fmt", "yuv420p", "-ar", "48000", "-ac", "2")
	case "webm":
		args = append(args, "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus")
	case "mxf", "wtv":
		args = append(args, "-c:v", "mpeg2video")
	case "rm":
		args = append(args, "-s", "176x144", "-c:v", "rv10", "-c:a", "ac3")
	case "ivf":
		args = append(args, "-an", "-c:v", "libvpx", "-deadline", "realtime")
	case "y4m":
		args = append(args, "-an", "-pix_fmt", "yuv420p")
	case "h264", "h265", "m1v", "m4v", "apng":
		args = append(args, "-an")
	case "wav", "flac", "mp3", "aac", "aiff", "caf", "w64", "ac3", "eac3", "m4a":
		args = append(args, "-vn")
	case "ogg":
		args = append(args, "-vn", "-c:a", "libopus")
	}
	switch extension {
	case "h264":
		args = append(args, "-c:v", "libx264", "-preset", "ultrafast")
	case "h265":
		args = append(args, "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none", "-f", "hevc")
	case "m4v":
		args = append(args, "-c:v", "mpeg4", "-f", "m4v")
	case "3gp":
		args = append(args, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac")
	}
	run := exec.Command("ffmpeg", append(args, name)...) //nolint:noctx // a clip of a second
	if out, err := run.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	return os.ReadFile(name)
}

// damaged writes a good file of a container with some of its bytes changed, cut out or repeated.
func damaged(extensions []string) func(*rand.Rand, string) ([]string, error) {
	return func(r *rand.Rand, folder string) ([]string, error) {
		extension := extensions[r.IntN(len(extensions))]
		data, err := clip(folder, extension)
		if err != nil {
			return nil, err
		}
		for range between(r, 1, 40) {
			at := r.IntN(len(data))
			if r.IntN(2) == 0 {
				at = r.IntN(min(len(data), 2000)) // headers matter most
			}
			switch r.IntN(4) {
			case 0:
				data[at] = byte(r.Uint32())
			case 1: // a number with all bits set
				for i := at; i < min(at+4, len(data)); i++ {
					data[i] = 0xff
				}
			case 2:
				end := min(at+r.IntN(100), len(data))
				data = append(data[:at:at], data[end:]...)
			default:
				end := min(at+r.IntN(500), len(data))
				data = append(append(data[:end:end], data[at:end]...), data[end:]...)
			}
			if len(data) < 100 {
				break
			}
		}
		if slices.Contains(soundOnly, "."+extension) {
			return transcode(folder, "in."+extension, data, "mp4")
		}
		return transcode(folder, "in."+extension, data, "mp4", "--fps", "25")
	}
}

// verified writes a source and a playlist or manifest, and returns the arguments that compare the two.
func verified(folder, name, playlist string) ([]string, error) {
	source := filepath.Join(folder, "in.mkv")
	path := filepath.Join(folder, name)
	if err := os.WriteFile(source, still(nil, nil), 0o600); err != nil {
		return nil, err
	}
	return []string{"verify", source, path, "--progress", "none"}, os.WriteFile(path, []byte(playlist), 0o600)
}

func recursivePlaylist(_ *rand.Rand, folder string) ([]string, error) {
	return verified(folder, "out.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nout.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=2\nout.m3u8\n")
}

func longPlaylist(r *rand.Rand, folder string) ([]string, error) {
	var list strings.Builder
	list.WriteString("#EXTM3U\n#EXT-X-TARGETDURATION:6\n")
	for i := range between(r, 50_000, 200_000) {
		fmt.Fprintf(&list, "#EXTINF:%d,\nin.mkv?%d\n", r.Uint32(), i)
	}
	return verified(folder, "out.m3u8", list.String()+"#EXT-X-ENDLIST\n")
}

func fifoPlaylist(r *rand.Rand, folder string) ([]string, error) {
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe.ts"), 0o600); err != nil {
		return nil, err
	}
	if r.IntN(2) == 0 {
		return verified(folder, "out.mpd", `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"><Period><AdaptationSet>`+
			`<Representation id="1" bandwidth="1" mimeType="video/mp4" codecs="avc1.42c00a"><BaseURL>pipe.ts</BaseURL><SegmentList duration="1">`+
			`<SegmentURL media="pipe.ts"/></SegmentList></Representation></AdaptationSet></Period></MPD>`)
	}
	return verified(folder, "out.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\npipe.ts\n#EXT-X-ENDLIST\n")
}

func longManifest(r *rand.Rand, folder string) ([]string, error) {
	set := `<AdaptationSet><Representation id="1" bandwidth="1" mimeType="video/mp4"><SegmentTemplate media="$Number$.m4s" duration="1"/></Representation></AdaptationSet>`
	return verified(folder, "out.mpd", `<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT99999999H">`+
		strings.Repeat("<Period>"+set+"</Period>", between(r, 1000, 10_000))+"</MPD>")
}

func nestedManifest(r *rand.Rand, folder string) ([]string, error) {
	return verified(folder, "out.mpd", `<MPD>`+strings.Repeat("<Period>", between(r, 1000, 100_000)))
}

// request writes a request, and returns the arguments that run it.
func request(folder, name, text string) ([]string, error) {
	path := filepath.Join(folder, name)
	return []string{"transcode", "--request", path, "--progress", "none"}, os.WriteFile(path, []byte(text), 0o600)
}

func nestedRequest(r *rand.Rand, folder string) ([]string, error) {
	n := between(r, 10_000, 125_000)
	forms := []string{"- ", "[", "{a: ", "? ", "- - ? ", "!a ", "&a "}
	form := forms[r.IntN(len(forms))]
	if r.IntN(4) == 0 {
		return request(folder, "request.json", `{"source": `+strings.Repeat("[", n)+strings.Repeat("]", n)+"}")
	}
	return request(folder, "request.yaml", "source: a.mp4\noutputs:\n  "+strings.Repeat(form, n))
}

func requestOfKeys(r *rand.Rand, folder string) ([]string, error) {
	keys := map[string]any{"source": "a.mp4"}
	for i := range between(r, 5000, 20_000) {
		keys[fmt.Sprintf("k%d", i)] = i
	}
	data, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	if r.IntN(2) == 0 {
		return request(folder, "request.json", string(data))
	}
	return request(folder, "request.yaml", strings.NewReplacer("{", "", "}", "", ",", "\n", ":", ": ").Replace(string(data)))
}

func requestOfOutputs(r *rand.Rand, folder string) ([]string, error) {
	var list strings.Builder
	list.WriteString("source: " + filepath.Join(folder, "in.mkv") + "\ndestination: .\noutputs:\n")
	for i := range between(r, 100, 3000) {
		fmt.Fprintf(&list, "  - {name: o%d, container: mp4, video: [{codec: h264}]}\n", i)
	}
	if err := os.WriteFile(filepath.Join(folder, "in.mkv"), still(nil, nil), 0o600); err != nil {
		return nil, err
	}
	return request(folder, "request.yaml", list.String())
}

func requestOfAliases(_ *rand.Rand, folder string) ([]string, error) {
	list := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := 1; i < 12; i++ {
		list += fmt.Sprintf("a%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 10), ", "))
	}
	return request(folder, "request.yaml", list)
}
