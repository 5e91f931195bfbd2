package cloud

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
)

// Limits of an answer of EC2. A network with thousands of routes has a few megabytes.
const (
	ec2Patience = 60 * time.Second
	ec2Longest  = 32 << 20 // bytes
)

// ec2 calls an operation of EC2 and decodes its answer into out. It signs the request itself, because the SDK's package for EC2
// has hundreds of operations, of which this program needs five, and takes minutes and more than a gigabyte to compile.
func (e *examiner) ec2(ctx context.Context, operation string, parameters url.Values, out any) error {
	body := url.Values{"Action": {operation}, "Version": {"2016-11-15"}}
	for name, v := range parameters {
		body[name] = v
	}
	text := body.Encode()
	ctx, cancel := context.WithTimeout(ctx, ec2Patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.ec2Endpoint(), strings.NewReader(text))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if e.conf.Credentials == nil {
		return errors.New("there are no credentials")
	}
	credentials, err := e.conf.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text))
	if err := v4.NewSigner().SignHTTP(ctx, credentials, request, hex.EncodeToString(sum[:]), "ec2", e.region, time.Now()); err != nil {
		return err
	}
	var client aws.HTTPClient = http.DefaultClient
	if e.conf.HTTPClient != nil {
		client = e.conf.HTTPClient
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, ec2Longest))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return ec2Error(response.Status, data)
	}
	return xml.Unmarshal(data, out)
}

// ec2Endpoint returns the address of EC2 in the region, or the one that the environment names, as the SDK does.
func (e *examiner) ec2Endpoint() string {
	if own := os.Getenv("AWS_ENDPOINT_URL_EC2"); own != "" {
		return strings.TrimSuffix(own, "/") + "/"
	}
	if e.conf.BaseEndpoint != nil {
		return strings.TrimSuffix(*e.conf.BaseEndpoint, "/") + "/"
	}
	suffix := "amazonaws.com"
	if strings.HasPrefix(e.region, "cn-") {
		suffix = "amazonaws.com.cn"
	}
	return "https://ec2." + e.region + "." + suffix + "/"
}

// ec2Error returns the error that an answer is.
func ec2Error(status string, body []byte) error {
	var answer struct {
		Code    string `xml:"Errors>Error>Code"`
		Message string `xml:"Errors>Error>Message"`
	}
	if xml.Unmarshal(body, &answer) != nil || answer.Code == "" {
		return errors.New("EC2 answers " + status)
	}
	return &smithy.GenericAPIError{Code: answer.Code, Message: answer.Message}
}
