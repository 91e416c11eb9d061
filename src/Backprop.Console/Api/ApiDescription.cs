using Backprop.Training.Protocol;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace Backprop.Console.Api;

/// <summary>The API's description for programs, in OpenAPI.</summary>
internal static class ApiDescription
{
    private const string Version = "v1";

    /// <summary>To the services of an application that serves the API.</summary>
    public static void Add(IServiceCollection services) =>
        services.AddOpenApi(Version, options =>
        {
            options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
            options.AddDocumentTransformer((document, _, _) =>
            {
                document.Info = new OpenApiInfo
                {
                    Title = "Backprop.Distributed",
                    Version = Version,
                    Description = "Training runs of a cluster: submit, watch, compare, control.",
                };
                // Where it is served differs from node to node.
                document.Servers = [];
                return Task.CompletedTask;
            });
            options.AddSchemaTransformer((schema, context, _) =>
            {
                Name(schema, context.JsonTypeInfo.Type);
                return Task.CompletedTask;
            });
        });

    /// <summary>Serves it.</summary>
    public static void Map(WebApplication application) =>
        application.MapOpenApi(ApiServer.Prefix + "/openapi.json");

    /// <summary>Refusals that a route may answer with.</summary>
    public static RouteHandlerBuilder Describes(
        this RouteHandlerBuilder route, params ReadOnlySpan<int> statuses)
    {
        foreach (int status in statuses)
        {
            route.ProducesProblem(status);
        }

        return route;
    }

    // What JSON has as a text or a number, though it is more than that here.
    private static void Name(OpenApiSchema schema, Type type)
    {
        if (type == typeof(RunId) || type == typeof(NodeId) || type == typeof(SweepId))
        {
            schema.Type = JsonSchemaType.String;
            schema.Properties?.Clear();
        }
        else if (type == typeof(Generation))
        {
            schema.Type = JsonSchemaType.Integer;
            schema.Format = "int64";
            schema.Properties?.Clear();
        }
    }
}
