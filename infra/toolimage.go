package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/work"
)

// toolFilesFolder is the copy of the folder of the tools file, within the folder that images are built from.
const toolFilesFolder = "toolfiles"

// maxToolFiles is how many bytes those files may have together. A tools file in a folder of other things is thus found early.
const maxToolFiles = 1 << 30

// withTools returns the folder from which images are built. With tools it is a copy of root in the CDK's output. There the tools are
// compiled into the worker's program, and toolFilesFolder is added. digest covers the tools and the files of that folder.
func withTools(chosen settings, root, out string) (folder, digest string, err error) {
	if chosen.toolsFile == "" {
		return root, "", nil
	}
	if within(filepath.Dir(chosen.toolsFile), out) { // a copy of it would hold itself
		return "", "", fmt.Errorf("mapreel: tools=%s: %s lies in the same folder: give the tools file a folder of its own", chosen.toolsFile, filepath.Base(out))
	}
	copied := filepath.Join(out, "mapreel-tools")
	if err := os.RemoveAll(copied); err != nil {
		return "", "", fmt.Errorf("mapreel: %w", err)
	}
	for _, name := range []string{"go.mod", "go.sum", "functions", "pkg"} {
		err := copyFiles(filepath.Join(root, name), filepath.Join(copied, name), nil)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // what is missing, the build reports
			return "", "", fmt.Errorf("mapreel: files of the images: %w", err)
		}
	}
	files := &fileDigest{folder: filepath.Dir(chosen.toolsFile)}
	if err := copyFiles(files.folder, filepath.Join(copied, toolFilesFolder), files); err != nil {
		return "", "", fmt.Errorf("mapreel: tools=%s: files beside it: %w", chosen.toolsFile, err)
	}
	deployed := chosen.deployed
	deployed.Digest = files.sum()
	text, err := json.Marshal(deployed)
	if err == nil {
		err = os.MkdirAll(filepath.Join(copied, "functions", "worker"), 0o755) //nolint:gosec // a part of an image
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(copied, "functions", "worker", "tools.json"), text, 0o644) //nolint:gosec // likewise
	}
	if err != nil {
		return "", "", fmt.Errorf("mapreel: tools of the images: %w", err)
	}
	sum := sha256.Sum256(text)
	return copied, hex.EncodeToString(sum[:10]), nil
}

// within reports whether a path lies in a folder.
func within(folder, path string) bool {
	a, errA := filepath.Abs(folder)
	b, errB := filepath.Abs(path)
	if errA != nil || errB != nil {
		return false
	}
	rel, err := filepath.Rel(a, b)
	return err == nil && filepath.IsLocal(rel)
}

// fileDigest is the digest of the names and the content of the files of a folder.
type fileDigest struct {
	folder string
	text   []byte
	total  int64
}

func (d *fileDigest) add(path string, mode fs.FileMode, size int64, content []byte) error {
	name, err := filepath.Rel(d.folder, path)
	if err != nil {
		return err
	}
	if d.total += size; d.total > maxToolFiles {
		return fmt.Errorf("more than %d bytes: give the tools file a folder of its own", maxToolFiles)
	}
	d.text = fmt.Appendf(d.text, "%q %v %x\n", filepath.ToSlash(name), mode&0o111 != 0, content)
	return nil
}

func (d *fileDigest) sum() string {
	sum := sha256.Sum256(d.text)
	return hex.EncodeToString(sum[:10])
}

// copyFiles copies a file, or the files of a folder, but for what git keeps there. digest gets the files, unless it is nil.
func copyFiles(from, to string, digest *fileDigest) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case d.IsDir() && d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o755) //nolint:gosec // a part of an image
		}
		if info, err := os.Stat(path); err != nil { // what a symbolic link leads to becomes a file
			return err
		} else if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no file", path)
		} else if digest != nil && info.Size() > maxToolFiles {
			return digest.add(path, 0, info.Size(), nil)
		}
		return copyFile(path, target, digest)
	})
}

func copyFile(from, to string, digest *fileDigest) (err error) {
	source, err := os.Open(from) //nolint:gosec // it is a part of an image
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // it was only read
	info, err := source.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // likewise
		return err
	}
	// The worker runs as another user than the one who owns these files, so everyone must be able to read them.
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644|info.Mode()&0o111) //nolint:gosec // likewise
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(target, sum), source); err != nil {
		return err
	}
	if digest == nil {
		return nil
	}
	return digest.add(from, info.Mode(), info.Size(), sum.Sum(nil))
}

// toolImages has an image built for each image that tools name: that one, with mapreel's worker and its ffmpeg.
func toolImages(stack awscdk.Stack, chosen settings, root string) (map[string]image, error) {
	list := map[string]image{}
	for _, t := range chosen.deployed.Tools {
		if _, ok := list[t.Image]; ok {
			continue
		}
		arguments := map[string]*string{}
		if given := buildArguments(chosen, blender{}); given != nil {
			arguments = *given
		}
		if t.Image != "" {
			arguments["TOOL_IMAGE"] = jsii.String(t.Image)
		}
		made, err := builtImage(stack, chosen, constructID(work.ToolClass(t.Name))+"Image", root, "functions/tool.Dockerfile", &arguments)
		if err != nil {
			return nil, err
		}
		list[t.Image] = made
	}
	return list, nil
}
