package encoderoption

import (
	"slices"
	"strings"
)

// level are the limits of a level of H.264 (ITU-T H.264, table A-1), in macroblocks.
type level struct {
	name           string
	rate           int64 // MaxMBPS, a second
	frame, decoded int   // MaxFS, of a frame; MaxDpbMbs, of the frames that a decoder keeps
}

var levels = []level{
	{"1", 1485, 99, 396},
	{"1.1", 3000, 396, 900},
	{"1.2", 6000, 396, 2376},
	{"1.3", 11880, 396, 2376},
	{"2", 11880, 396, 2376},
	{"2.1", 19800, 792, 4752},
	{"2.2", 20250, 1620, 8100},
	{"3", 40500, 1620, 8100},
	{"3.1", 108000, 3600, 18000},
	{"3.2", 216000, 5120, 20480},
	{"4", 245760, 8192, 32768},
	{"4.1", 245760, 8192, 32768},
	{"4.2", 522240, 8704, 34816},
	{"5", 589824, 22080, 110400},
	{"5.1", 983040, 36864, 184320},
	{"5.2", 2073600, 36864, 184320},
	{"6", 4177920, 139264, 696320},
	{"6.1", 8355840, 139264, 696320},
	{"6.2", 16711680, 139264, 696320},
}

// Levels returns the names of H.264's levels, the lowest first.
func Levels() (names []string) {
	for _, l := range levels {
		names = append(names, l.name)
	}
	return names
}

// IsLevel reports whether H.264 has a level of that name.
func IsLevel(name string) bool { return slices.Contains(Levels(), name) }

// Level returns the lowest level of H.264 from name on that holds frames of a size, num/den of them a second, and how many
// frames its decoder keeps. It is "" where none does. A rate of 0 is not checked.
func Level(name string, width, height int, num, den int64) (lowest string, references int) {
	macroblocks := ((width + 15) / 16) * ((height + 15) / 16)
	if i := slices.Index(Levels(), name); i >= 0 {
		for _, l := range levels[i:] {
			side := 8 * l.frame // a side may have √(8 × MaxFS) macroblocks
			long := (max(width, height) + 15) / 16
			if macroblocks <= l.frame && long*long <= side && (den == 0 || int64(macroblocks)*num <= l.rate*den) {
				return l.name, min(l.decoded/max(macroblocks, 1), maxReferences)
			}
		}
	}
	return "", 0
}

// References returns how many frames x264 refers to with a preset and a tuning (x264_param_default_preset, x264_param_default_tune).
func References(preset, tune string) int {
	n := map[string]int{
		"ultrafast": 1, "superfast": 1, "veryfast": 1, "faster": 2, "fast": 2, "medium": 3, "slow": 5, "slower": 8, "veryslow": 16, "placebo": 16,
	}[preset]
	if strings.HasPrefix(tune, "animation") && n > 1 {
		n *= 2
	}
	return min(max(n, 1), maxReferences)
}
