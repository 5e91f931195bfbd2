package lambdafn

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	smithy "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// countTraffic has every client that is made of conf count its requests, each try of them.
func countTraffic(conf *aws.Config, t *traffic) {
	count := smithy.DeserializeMiddlewareFunc("mapreelTraffic", func(
		ctx context.Context, in smithy.DeserializeInput, next smithy.DeserializeHandler,
	) (smithy.DeserializeOutput, smithy.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		request, _ := in.Request.(*smithyhttp.Request)
		response, _ := out.RawResponse.(*smithyhttp.Response)
		if request != nil && response != nil && response.Response != nil && response.StatusCode < 500 { // errors of the service cost nothing
			t.add(middleware.GetServiceID(ctx), middleware.GetOperationName(ctx), request.ContentLength, response.ContentLength)
		}
		return out, metadata, err
	})
	conf.APIOptions = append(conf.APIOptions, func(stack *smithy.Stack) error {
		return stack.Deserialize.Add(count, smithy.After) // closest to the network
	})
}
