package burnin

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gobolditalic"
	"golang.org/x/image/font/gofont/goitalic"
	"golang.org/x/image/font/gofont/goregular"
)

// WriteFonts writes the faces of Font to a folder, which it makes. Characters that they do not have are drawn in fonts of the machine.
func WriteFonts(folder string) error {
	err := os.MkdirAll(folder, 0o700)
	for name, data := range map[string][]byte{"regular": goregular.TTF, "bold": gobold.TTF, "italic": goitalic.TTF, "bolditalic": gobolditalic.TTF} {
		err = errors.Join(err, os.WriteFile(filepath.Join(folder, name+".ttf"), data, 0o600))
	}
	return err
}
