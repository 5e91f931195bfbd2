package local_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/manifest"
)

// packet is a packet of audio: its time, and the hash of its data.
type packet struct {
	at   float64 // seconds
	hash string
}

// audioPackets returns the packets of each audio track of a file or a playlist, by its codec and number: "ac3 0".
func audioPackets(t *testing.T, path string) map[string][]packet {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", "a", "-show_data_hash", "md5",
		"-show_entries", "stream=index,codec_name:packet=stream_index,pts_time,data_hash", "-of", "json", path).Output()
	var probed struct {
		Streams []struct {
			Index int
			Codec string `json:"codec_name"`
		}
		Packets []struct {
			Stream int    `json:"stream_index"`
			Time   string `json:"pts_time"`
			Hash   string `json:"data_hash"`
		}
	}
	if err == nil {
		err = json.Unmarshal(out, &probed)
	}
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	names, packets := map[int]string{}, map[string][]packet{}
	for _, s := range probed.Streams {
		names[s.Index] = s.Codec + " " + strconv.Itoa(len(names))
	}
	for _, p := range probed.Packets {
		at, err := strconv.ParseFloat(p.Time, 64)
		if err != nil {
			t.Fatal(err)
		}
		packets[names[p.Stream]] = append(packets[names[p.Stream]], packet{at, p.Hash})
	}
	return packets
}

func hashes(packets []packet) (list []string) {
	for _, p := range packets {
		list = append(list, p.hash)
	}
	return list
}

// What the source has in AC-3 and E-AC-3 is in the package as it is, each codec in a group of its own beside the mixes in AAC.
func TestPackagesKeepDolbyAudio(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mka", args(tone(5), strings.Fields("-map 0 -map 0 -ac 6 -c:a:0 ac3 -c:a:1 eac3 -b:a 192k -metadata:s:a:0 language=eng -metadata:s:a:1 language=eng"))...)
	out := t.TempDir()
	req := packageRequest(t, source, out, `{"name": "film", "container": "cmaf", "audio": {"codec": "copy", "second": "stereo"}, "package": {"seconds": 2}}`)
	if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	if err := manifest.Check(os.DirFS(out), "film.m3u8"); err != nil {
		t.Error(err)
	}
	want := audioPackets(t, source)
	for _, name := range []string{"film.m3u8", "film.mpd"} {
		got := audioPackets(t, filepath.Join(out, name))
		for track, of := range map[string]string{"ac3 0": "ac3 0", "eac3 2": "eac3 1"} {
			if diff := cmp.Diff(hashes(want[of]), hashes(got[track])); diff != "" {
				t.Errorf("%s: packets of %s (-source +package):\n%s", name, track, diff)
			}
		}
		if len(got["aac 1"]) == 0 || len(got["aac 3"]) == 0 {
			t.Errorf("%s has no mixes", name)
		}
	}
	for name, lines := range map[string][]string{
		"film.m3u8": {`CODECS="ac-3",AUDIO="sound-ac-3"`, `CODECS="ec-3",AUDIO="sound-ec-3"`, `CODECS="mp4a.40.2",AUDIO="mixed"`, `GROUP-ID="sound-ac-3",NAME="English"`, `CHANNELS="6"`},
		"film.mpd":  {`codecs="ac-3"`, `codecs="ec-3"`, `"tag:dolby.com,2014:dash:audio_channel_configuration:2011" value="F801"`},
	} {
		text, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(string(text), line) {
				t.Errorf("%s has no %s:\n%s", name, line, text)
			}
		}
	}
}
