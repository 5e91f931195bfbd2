package lambdafn_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// serveTLS starts a web server. It returns its address, and the variable with which other programs trust it.
func serveTLS(t *testing.T, h http.Handler) (address, trust string) {
	t.Helper()
	web := httptest.NewTLSServer(h)
	t.Cleanup(web.Close)
	file := filepath.Join(t.TempDir(), "certificate.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return web.URL, "SSL_CERT_FILE=" + file
}

// A deployment reads the web servers that its owner names, and no others.
func TestASourceMayBeOnAWebServerOfTheDeployment(t *testing.T) {
	c := newCloud(t)
	filmPath := clip(t, "film.mp4")
	web, trust := serveTLS(t, http.StripPrefix("/films/", http.FileServer(http.Dir(filepath.Dir(filmPath)))))
	d := c.with(trust, "MAPREEL_WEB_SOURCES="+web+"/films/").deploy(t)
	req := located(c, request("film.mp4"))
	req.Source = web + "/films/film.mp4"
	outcome, err := d.execute("web", req)
	if err != nil || len(outcome.Outputs) != 1 {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if made := keys(t, c.media, "out/"); len(made) != 1 {
		t.Errorf("outputs are %q", made)
	}
	for _, source := range []string{web + "/others/film.mp4", web + "/films/film.mp4?token=secret"} {
		req.Source = source
		_, err := d.execute("elsewhere", req)
		if err == nil || !strings.Contains(err.Error(), "does not read the address of the source") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", source, err)
		}
	}
}
