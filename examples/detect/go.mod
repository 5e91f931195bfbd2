module github.com/mapreel/mapreel/examples/detect

go 1.26.0

require (
	github.com/yalue/onnxruntime_go v1.27.0
	golang.org/x/image v0.48.0
)
