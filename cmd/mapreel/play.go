package main

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/player"
	"github.com/mapreel/mapreel/pkg/printable"
)

type playCmd struct {
	Output string `arg:"" name:"OUT" help:"The folder of a package, or one file: .m3u8, .mp4 or .webm; or a folder of previews, or their .preview.json. For an .mpd, the playlist beside it is played."`
	Port   uint16 `placeholder:"N" help:"Port to serve on. Default: any free port."`
	Open   bool   `help:"Open the page in the browser."`
}

// Help is shown by mapreel play --help.
func (playCmd) Help() string {
	return `Serves the output on 127.0.0.1, for this machine only, with a page that plays it. Nothing is loaded from the network. The
address has a secret part, without which other users of this machine get nothing. Ctrl-C stops the server.`
}

// shutdownTimeout limits how long requests in progress may take after an interrupt.
const shutdownTimeout = 2 * time.Second

func (c playCmd) run(ctx context.Context, env environment) error {
	output := c.Output
	if name, ok := strings.CutSuffix(output, ".mpd"); ok { // the .m3u8 of the same package lists the same media
		if info, err := os.Stat(name + ".m3u8"); err == nil && info.Mode().IsRegular() {
			output = name + ".m3u8"
		}
	}
	p, err := player.Open(output)
	if err != nil {
		return err
	}
	defer func() { _ = p.Close() }()
	if first := p.Entries()[0]; first.Kind == "dash" {
		return fault.WithHint(fault.New(fault.Unsupported, "%s is DASH only, and the page plays HLS", first.Name),
			"play it with a DASH player, or make both: -o "+strings.TrimSuffix(first.Name, ".mpd")+".m3u8 --dash")
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(int(c.Port))))
	if err != nil {
		return fault.WithHint(fault.Wrap(fault.Invalid, err, "serve on port "+strconv.Itoa(int(c.Port))), "leave out --port, or choose a free port")
	}
	handler, path := player.Private(p)
	address := "http://" + listener.Addr().String() + path
	printable.Fprintf(env.Stdout, "%s plays %s; Ctrl-C stops it\n", address, p.Entries()[0].Name)
	if c.Open {
		remove, err := openBrowser(ctx, address)
		if err != nil {
			printable.Fprintf(env.Stderr, "mapreel: could not open a browser (%v); open %s yourself\n", err, address)
		} else {
			defer remove()
		}
	}
	return serveHTTP(ctx, listener, handler)
}
