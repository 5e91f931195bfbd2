package main

import (
	"context"
	"fmt"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// openBrowser opens an address in the default browser of the desktop. It returns a function that removes what the browser was given.
//
// The command line of a program can be read by every user of the machine, and the address has a secret part. So the browser gets
// the path of a page that only this user can read, and which leads to the address.
func openBrowser(ctx context.Context, address string) (remove func(), err error) {
	folder, err := os.MkdirTemp("", "mapreel-play-*") // 0700
	if err != nil {
		return nil, err
	}
	remove = func() { _ = os.RemoveAll(folder) }
	page := filepath.Join(folder, "open.html")
	text := fmt.Sprintf("<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"+
		"<meta http-equiv=\"refresh\" content=\"0; url=%s\">\n", html.EscapeString(address))
	if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
		remove()
		return nil, err
	}
	name, args := "xdg-open", []string{page}
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", page}
	}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), name, args...)
	if err := cmd.Start(); err != nil {
		remove()
		return nil, err
	}
	go func() { _ = cmd.Wait() }() // it may run as long as the browser; only its exit status is collected
	return remove, nil
}
