package main

import (
	"net/url"
	"slices"
	"strings"

	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/origin"
)

// webSources reads the roots of web servers. Workers must have a route to them: functions with a file system have none, and neither have
// the instances of an isolated network. What an existing network reaches is its owner's to say.
func (p *parser) webSources(s settings) []string {
	roots := split(p.text("webSources"))
	if len(roots) == 0 {
		return nil
	}
	before := len(p.problems)
	for i, root := range roots {
		u, err := url.Parse(root)
		list, problem := origin.ParseWebRoots(root)
		switch {
		case err != nil || problem != nil || len(list) != 1:
			p.bad("webSources: %q is not an https URL that ends with a slash, such as https://example.com/films/", root)
		case u.Port() != "":
			p.bad("webSources: %s: leave out the port: workers reach other machines at that of https only", root)
		case slices.Contains(roots[:i], root):
			p.bad("webSources: %s is listed twice", root)
		}
	}
	if len(p.problems) == before && s.vpc == "" && (s.scratch == "efs" || s.batch && s.batchNetwork == "isolated") {
		p.bad("webSources needs workers with a route to the internet: add scratch=s3, and with Batch batchNetwork=public, or give your own network by vpc")
	}
	return roots
}

// nameWebSources tells a program of the deployment which web servers it may read.
func nameWebSources(environment map[string]*string, chosen settings) {
	if len(chosen.webSources) > 0 {
		environment[origin.WebRootsVariable] = jsii.String(strings.Join(chosen.webSources, " "))
	}
}
