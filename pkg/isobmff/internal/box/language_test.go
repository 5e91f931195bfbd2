package box_test

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

func TestLanguageIsWrittenWhateverItsForm(t *testing.T) {
	t.Parallel()
	for language, want := range map[string]string{
		"eng": "eng", "ger": "ger", "en": "eng", "de-AT": "deu", "pt-BR": "por", "": "und", "und": "und", "x": "und", "English": "und", "EN": "eng",
	} {
		wanted := uint16(want[0]-0x60)<<10 | uint16(want[1]-0x60)<<5 | uint16(want[2]-0x60)
		if got := box.LanguageCode(language); got != wanted {
			t.Errorf("%q is packed as %#x, want that of %s, %#x", language, got, want, wanted)
		}
	}
}
