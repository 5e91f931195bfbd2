package work

import "fmt"

// Artifact is an object that a unit wrote: one in scratch, a file in a folder that belongs to the job, or a published file.
// Exactly one of these forms is used:
//
//	{Key: "3f2a…/video/00012.1.0.mp4"}                   an object in scratch, of this attempt alone
//	{Prefix: "3f2a…/split/"}                             all objects in scratch below a prefix; Size is the least sum of theirs
//	{Folder: "s3://b/out/film/3f2a90c1", Key: "1080p/0.m4s"}  a file in a folder that only this job writes to
//	{Folder: "s3://b/out/film/3f2a90c1"}                  the whole folder; Size is the least sum of its files' sizes
//	{URL: "s3://b/out/film.mp4"}                          a published file, which others may replace
//
// Resume takes an artifact for present where an object of its Size is there, and for a published file also its Digest where
// its Version has changed.
type Artifact struct {
	Key     string `json:"key,omitempty"`
	Prefix  string `json:"prefix,omitempty"`
	Folder  string `json:"folder,omitempty"`
	URL     string `json:"url,omitempty"`
	Size    int64  `json:"size"`
	Version string `json:"version,omitempty"` // of a published file: ETag, or modification time
	Digest  string `json:"digest,omitempty"`  // of a published file: see blob.Digest

	// For is the name of the later phase whose units alone read the artifact: once they are done, it may be lost. "" = any unit
	// may read it.
	For string `json:"for,omitempty"`
}

// OfAttempt reports whether the artifact is an object in scratch that belongs to one attempt. All other forms are written alike
// by every attempt.
func (a Artifact) OfAttempt() bool { return a.Key != "" && a.Folder == "" }

// Prefix is the prefix of all of a job's objects in scratch.
func Prefix(job string) string { return job + "/" }

// ArtifactKey returns the key in scratch of artifact n of an attempt at a unit. Attempts never share a key, so a late
// worker cannot replace the bytes of the one that won.
func ArtifactKey(job, unit string, attempt, n int, extension string) string {
	return fmt.Sprintf("%s/%s.%d.%d.%s", job, unit, attempt, n, extension)
}
