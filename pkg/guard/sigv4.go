package guard

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	// algorithm is how an Authorization header with a signature begins.
	algorithm = "AWS4-HMAC-SHA256 "
	// maxSigned bounds the body of a signed request in bytes. It is read for its hash; the largest request of the API is smaller.
	maxSigned = 2 << 20
	// maxSkew is how old a signature may be, as in AWS.
	maxSkew = 15 * time.Minute
)

// signed reports whether the signature of a request was made with secret. It reads the body and puts it back.
func signed(w http.ResponseWriter, r *http.Request, header, secret string) bool {
	fields := map[string]string{}
	for field := range strings.SplitSeq(strings.TrimPrefix(header, algorithm), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(field), "=")
		fields[name] = value
	}
	scope := strings.Split(fields["Credential"], "/") // key, date, region, service, "aws4_request"
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil || len(scope) != 5 || time.Since(at).Abs() > maxSkew {
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxSigned))
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), nil)
	if err != nil {
		return false
	}
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	hash := sha256.Sum256(body)
	credentials := aws.Credentials{AccessKeyID: scope[0], SecretAccessKey: secret}
	err = v4.NewSigner().SignHTTP(r.Context(), credentials, again, hex.EncodeToString(hash[:]), scope[3], scope[2], at)
	_, mine, ok := strings.Cut(again.Header.Get("Authorization"), "Signature=")
	return err == nil && ok && same(mine, fields["Signature"])
}
