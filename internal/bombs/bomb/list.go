// Package bomb makes hostile files for mapreel, and measures what it takes to read them.
package bomb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// family makes bombs of one kind. Its sizes and claims come from r.
type family struct {
	name string
	make func(r *rand.Rand, folder string) (args []string, err error)
}

// families are the kinds of bombs.
func families() []family {
	list := []family{
		{"compressed subtitles to mkv", compressedSubtitles("mkv")},
		{"compressed subtitles to mp4", compressedSubtitles("mp4")},
		{"compressed PCM to mkv", compressedPCM("mkv")},
		{"compressed PCM to mp4", compressedPCM("mp4")},
		{"compressed PCM to HLS", compressedPCM("m3u8")},
		{"one huge subtitle to mp4", hugeSubtitle("mp4", 1)},
		{"many huge subtitles to mp4", hugeSubtitle("mp4", 20)},
		{"huge subtitle to WebVTT", hugeSubtitle("m3u8", 1)},
		{"huge subtitle to mkv", hugeSubtitle("mkv", 3)},
		{"gaps of 30 days at 60 fps", gaps(30*24*3600*1000, "--fps", "60")},
		{"gaps of 30 days", gaps(30 * 24 * 3600 * 1000)},
		{"gaps of 10 years at 60 fps", gaps(3650*24*3600*1000, "--fps", "60")},
		{"gaps of 10 years", gaps(3650 * 24 * 3600 * 1000)},
		{"gaps of 30 days to HLS", gapsTo("m3u8", 30*24*3600*1000)},
		{"audio tracks", manyTracks(audioTrack)},
		{"video tracks", manyTracks(videoTrack)},
		{"subtitle tracks", manyTracks(subtitleTrack)},
		{"attachments", manyAttachments},
		{"tags", manyTags},
		{"nested tags", nestedTags},
		{"chapters", manyChapters},
		{"nested chapters", nestedChapters},
		{"cues", manyCues},
		{"claimed sizes in Matroska", claimedSizes},
		{"claimed duration in Matroska", claimedDuration},
		{"claimed dimensions in Matroska", claimedDimensions},
		{"large picture to mp4", largePicture("mp4")},
		{"large picture to webm", largePicture("webm")},
		{"large picture, verified", verifiedPicture},
		{"fragment flood", fragmentFlood},
		{"nested boxes", nestedBoxes},
		{"claimed samples in MP4", claimedSamples},
		{"claimed boxes in MP4", claimedBoxes},
		{"edit list", editList},
		{"claims in WAV", claimedWAV},
		{"claims in AVI", claimedAVI},
		{"claims in Y4M", claimedY4M},
		{"claims in IVF", claimedIVF},
		{"claims in FLV", claimedFLV},
		{"claims in GIF", claimedGIF},
		{"zeros after a header", zeros},
		{"playlist of itself", recursivePlaylist},
		{"playlist of many segments", longPlaylist},
		{"playlist of a FIFO", fifoPlaylist},
		{"manifest of many periods", longManifest},
		{"manifest of nested elements", nestedManifest},
		{"request nested deeply", nestedRequest},
		{"request of many keys", requestOfKeys},
		{"request of many outputs", requestOfOutputs},
		{"request with aliases", requestOfAliases},
		{"compressed video", compressedVideo},
		{"claimed audio in Matroska", claimedAudio},
		{"claimed sizes in H.264", claimedSequence},
		{"programs of a transport stream", programFlood},
		{"jumps of a transport stream's clock", clockJumps},
		{"tags, chapters and pictures in MP3", tagFlood},
		{"covers in MP4", covers},
		{"claims in FLAC", flacClaims},
		{"claims in APNG", claimedAPNG},
		{"many subtitles to mp4", manySubtitles("mp4")},
		{"many subtitles to HLS", manySubtitles("m3u8")},
		{"drawings as subtitles", drawings},
		{"laced blocks", lacedBlocks},
		{"names that control a terminal", hostileNames},
		{"keys that control a terminal", hostileKeys},
		{"damaged ledger", hostileLedger},
		{"hidden pipe in a package", hiddenPipe},
		{"package of fragments", packageOfFragments},
		{"report of a job", hostileReport},
	}
	for _, c := range containers {
		list = append(list, family{"damaged " + c.name, damaged(c.extensions)})
	}
	return list
}

// List returns n bombs: all families in turn, with sizes and claims that follow from seed. only selects
// the families with it in their name; "" = all.
func List(n int, seed uint64, only string) []Bomb {
	var chosen []family
	for _, f := range families() {
		if strings.Contains(f.name, only) {
			chosen = append(chosen, f)
		}
	}
	var list []Bomb
	for i := range n {
		if len(chosen) == 0 {
			break
		}
		f := chosen[i%len(chosen)]
		list = append(list, Bomb{Name: f.name, Make: func(folder string) ([]string, error) {
			return f.make(rand.New(rand.NewPCG(seed, uint64(i))), folder)
		}})
	}
	return list
}

// between returns a number from low to high.
func between(r *rand.Rand, low, high int) int { return low + r.IntN(high-low+1) }

// soundOnly are the extensions of sources without video.
var soundOnly = []string{".wav", ".aiff", ".caf", ".w64", ".m4a", ".flac", ".mp3", ".aac", ".ac3", ".eac3", ".ogg"}

// transcode writes a source, and returns the arguments that transcode it to a container.
func transcode(folder, name string, data []byte, extension string, more ...string) ([]string, error) {
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return nil, err
	}
	args := []string{"transcode", path, "-o", "out." + extension, "--progress", "none"}
	switch {
	case slices.Contains(soundOnly, filepath.Ext(name)): // a preset would be refused
	case extension == "webm":
		args = append(args, "--preset", "8")
	default:
		args = append(args, "--preset", "ultrafast")
	}
	return append(args, more...), nil
}

func compressedSubtitles(extension string) func(*rand.Rand, string) ([]string, error) {
	return func(r *rand.Rand, folder string) ([]string, error) {
		var blocks []byte
		data := deflate('a', between(r, 4<<20, 8<<20))
		for i := range between(r, 300, 450) {
			blocks = append(blocks, shown(2, int16(2*i), 2, data)...)
		}
		return transcode(folder, "in.mkv", still([][]byte{subRip(2, true)}, blocks), extension)
	}
}

func compressedPCM(extension string) func(*rand.Rand, string) ([]string, error) {
	return func(r *rand.Rand, folder string) ([]string, error) {
		var blocks []byte
		data := deflate(0, 8<<20)
		for i := range between(r, 400, 500) {
			blocks = append(blocks, frame(2, int16(2*i), data)...)
		}
		return transcode(folder, "in.mkv", still([][]byte{pcm(2, true)}, blocks), extension)
	}
}

func hugeSubtitle(extension string, tracks int) func(*rand.Rand, string) ([]string, error) {
	return func(r *rand.Rand, folder string) ([]string, error) {
		var list [][]byte
		var blocks []byte
		data := deflate([]byte("<{\\a")[r.IntN(4)], between(r, 1<<20, 9<<20))
		for i := range uint64(tracks) {
			list = append(list, subRip(2+i, true))
			blocks = append(blocks, shown(2+i, 0, 500, data)...)
		}
		list = append(list, subRip(uint64(2+tracks), false))
		blocks = append(blocks, shown(uint64(2+tracks), 0, 500, []byte("harmless"))...)
		return transcode(folder, "in.mkv", still(list, blocks), extension)
	}
}

func gaps(milliseconds uint64, more ...string) func(*rand.Rand, string) ([]string, error) {
	return gapsTo("mp4", milliseconds, more...)
}

func gapsTo(extension string, milliseconds uint64, more ...string) func(*rand.Rand, string) ([]string, error) {
	return func(r *rand.Rand, folder string) ([]string, error) {
		jpg := picture(160, 90)
		clusters, order := map[uint64][]byte{}, []uint64{}
		n := uint64(between(r, 4, 6))
		for i := range n {
			order = append(order, i*milliseconds)
			clusters[i*milliseconds] = frame(1, 0, jpg)
		}
		return transcode(folder, "in.mkv", matroska(float64(n*milliseconds), [][]byte{motionJPEG(1, 160, 90)}, clusters, order), extension, more...)
	}
}

func manyTracks(kind uint64) func(*rand.Rand, string) ([]string, error) {
	return func(r *rand.Rand, folder string) ([]string, error) {
		var list [][]byte
		var blocks []byte
		sound := make([]byte, 4*4800)
		jpg := picture(64, 64)
		for n := uint64(2); n < uint64(between(r, 300, 450)); n++ {
			switch kind {
			case audioTrack:
				list, blocks = append(list, pcm(n, false)), append(blocks, frame(n, 0, sound)...)
			case videoTrack:
				list, blocks = append(list, motionJPEG(n, 64, 64)), append(blocks, frame(n, 0, jpg)...)
			default:
				list, blocks = append(list, subRip(n, false)), append(blocks, shown(n, 0, 500, []byte("text"))...)
			}
		}
		return transcode(folder, "in.mkv", still(list, blocks), "mp4")
	}
}

func manyAttachments(r *rand.Rand, folder string) ([]string, error) {
	var files [][]byte
	for i := range uint64(between(r, 500, 3000)) {
		files = append(files, element(attachedFile, text(fileName, fmt.Sprintf("../../%d.ttf", i%7)), text(fileMime, "font/ttf"),
			number(fileUID, i+1), element(fileData, make([]byte, 1000))))
	}
	return transcode(folder, "in.mkv", still(nil, nil, element(attachments, files...)), "mkv")
}

func manyTags(r *rand.Rand, folder string) ([]string, error) {
	var list [][]byte
	for i := range between(r, 10_000, 60_000) {
		list = append(list, element(simpleTag, text(tagName, fmt.Sprintf("T%d", i)), text(tagString, strings.Repeat("x", 50))))
	}
	return transcode(folder, "in.mkv", still(nil, nil, element(tags, element(tag, list...))), "mp4")
}

// nested returns elements of one ID within each other.
func nested(id uint32, depth int, inner []byte) []byte {
	for range depth {
		inner = element(id, inner)
	}
	return inner
}

func nestedTags(r *rand.Rand, folder string) ([]string, error) {
	deep := nested(simpleTag, between(r, 1000, 4000), text(tagName, "T"))
	return transcode(folder, "in.mkv", still(nil, nil, element(tags, element(tag, deep))), "mp4")
}

func manyChapters(r *rand.Rand, folder string) ([]string, error) {
	var list [][]byte
	for i := range uint64(between(r, 10_000, 40_000)) {
		list = append(list, element(chapterAtom, number(chapterUID, i+1), number(chapterStart, i*1_000_000),
			element(chapterDisplay, text(chapterTitle, strings.Repeat("c", 100)))))
	}
	return transcode(folder, "in.mkv", still(nil, nil, element(chapters, element(editionEntry, list...))), "mp4")
}

func nestedChapters(r *rand.Rand, folder string) ([]string, error) {
	deep := nested(chapterAtom, between(r, 1000, 4000), number(chapterUID, 1))
	return transcode(folder, "in.mkv", still(nil, nil, element(chapters, element(editionEntry, deep))), "mp4")
}

func manyCues(r *rand.Rand, folder string) ([]string, error) {
	var points [][]byte
	for i := range uint64(between(r, 20_000, 60_000)) {
		points = append(points, element(cuePoint, number(cueTime, i*uint64(r.IntN(1<<20))), element(cuePositions, number(cueTrack, 1), number(cueClusterPosition, 5))))
	}
	return transcode(folder, "in.mkv", still(nil, nil, element(cues, points...)), "mp4")
}

func claimedSizes(r *rand.Rand, folder string) ([]string, error) {
	ids := []uint32{tracks, cluster, cues, tags, attachments, chapters, segment, simpleBlock}
	claim := declared(ids[r.IntN(len(ids))], uint64(1)<<between(r, 24, 55))
	data := still(nil, nil)
	at := between(r, 40, len(data)-1)
	return transcode(folder, "in.mkv", append(append(bytes.Clone(data[:at]), claim...), data[at:]...), "mp4")
}

func claimedDuration(r *rand.Rand, folder string) ([]string, error) {
	jpg := picture(160, 90)
	length := float64(uint64(1) << between(r, 30, 62))
	return transcode(folder, "in.mkv", matroska(length, [][]byte{motionJPEG(1, 160, 90)}, map[uint64][]byte{0: frame(1, 0, jpg)}, []uint64{0}), "mp4")
}

func claimedDimensions(r *rand.Rand, folder string) ([]string, error) {
	width, height := uint64(1)<<between(r, 12, 30), uint64(1)<<between(r, 12, 30)
	jpg := picture(160, 90)
	// The JPEG's own size, in its SOF0 segment.
	if at := bytes.Index(jpg, []byte{0xff, 0xc0}); at >= 0 {
		binary.BigEndian.PutUint16(jpg[at+5:], uint16(min(height, 65535)))
		binary.BigEndian.PutUint16(jpg[at+7:], uint16(min(width, 65535)))
	}
	return transcode(folder, "in.mkv", matroska(1000, [][]byte{motionJPEG(1, width, height)}, map[uint64][]byte{0: frame(1, 0, jpg)}, []uint64{0}), "mp4")
}

// large returns a file of five pictures of the largest size that is decoded.
func large(r *rand.Rand) []byte {
	width, height := between(r, 12_000, 16_384), between(r, 7_000, 8_704)
	jpg := picture(width, height)
	var content []byte
	for i := range 5 {
		content = append(content, frame(1, int16(200*i), jpg)...)
	}
	return matroska(1000, [][]byte{motionJPEG(1, uint64(width), uint64(height))}, map[uint64][]byte{0: content}, []uint64{0})
}

func largePicture(extension string) func(*rand.Rand, string) ([]string, error) {
	return func(r *rand.Rand, folder string) ([]string, error) {
		return transcode(folder, "in.mkv", large(r), extension)
	}
}

func verifiedPicture(r *rand.Rand, folder string) ([]string, error) {
	path := filepath.Join(folder, "in.mkv")
	return []string{"verify", path, path, "--progress", "none"}, os.WriteFile(path, large(r), 0o600)
}
