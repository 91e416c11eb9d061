using System.Collections.Immutable;
using System.Reflection;
using Backprop.Console.Api.Access;
using Backprop.Distributed.Coordination;
using Backprop.Training.Specification;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace Backprop.Console.Api;

/// <summary>Whether a specification would be taken.</summary>
/// <param name="IsValid">Whether it would.</param>
/// <param name="Name">The name that it gives the run; null: it is not valid.</param>
/// <param name="Errors">What is wrong, by position.</param>
internal sealed record SpecificationVerdict(
    bool IsValid, string? Name, ImmutableArray<SpecificationMistake> Errors);

/// <summary>A specification that comes with the program.</summary>
/// <param name="Name">Its file, without the ending.</param>
/// <param name="Text">What stands in it.</param>
internal sealed record SpecificationExample(string Name, string Text);

/// <summary>The routes for whoever writes a specification.</summary>
internal static class SpecificationRoutes
{
    /// <summary>Stands for the file's name where none is given.</summary>
    public const string DefaultSource = "specification";

    private const string ResourcePrefix = "Examples/";

    private static readonly Lazy<ImmutableArray<SpecificationExample>> s_examples = new(Load);

    public static void Map(RouteGroupBuilder specifications, ApiBackend backend)
    {
        Reading.Mark(specifications.MapPost("/validate", async (
                HttpRequest request, CancellationToken cancellation) =>
                Judge(await ReadAsync(request, cancellation), backend)))
            .Accepts<string>("text/plain")
            .WithName("ValidateSpecification")
            .WithSummary("Whether a specification would be taken")
            .Produces<SpecificationVerdict>();
        specifications.MapGet("/examples", (HttpContext http) =>
                ApiAnswers.Json(http, TimeSpan.Zero, null, s_examples.Value))
            .WithName("ListExamples").WithSummary("Specifications that come with the program")
            .Produces<ImmutableArray<SpecificationExample>>();
    }

    /// <summary>The body of a request, as text.</summary>
    public static async Task<string> ReadAsync(
        HttpRequest request, CancellationToken cancellation)
    {
        using var reader = new StreamReader(request.Body);
        return await reader.ReadToEndAsync(cancellation);
    }

    /// <summary>Reads a specification that is handed in.</summary>
    /// <exception cref="SpecificationException">It would not be taken.</exception>
    public static RunSpecification Check(
        string specification, string source, ApiBackend backend) =>
        specification.Length is > 0 and <= RegistryState.MaxSpecificationLength
            ? ClusterRules.Read(specification, source, backend.FileRefusal, backend.Plugins)
            : throw new SpecificationException([
                new SpecificationError(
                    new SourcePosition(source, 1, 1), "",
                    $"the specification has {specification.Length:N0} characters, where 1 to"
                    + $" {RegistryState.MaxSpecificationLength:N0} belong"),
            ]);

    private static SpecificationVerdict Judge(string specification, ApiBackend backend)
    {
        try
        {
            return new SpecificationVerdict(
                true, Check(specification, DefaultSource, backend).Name, []);
        }
        catch (SpecificationException mistakes)
        {
            return new SpecificationVerdict(
                false, null, [.. mistakes.Errors.Select(SpecificationMistake.Of)]);
        }
    }

    private static ImmutableArray<SpecificationExample> Load()
    {
        Assembly assembly = typeof(SpecificationRoutes).Assembly;
        return
        [
            .. assembly.GetManifestResourceNames()
                .Where(name => name.StartsWith(ResourcePrefix, StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
                .Select(name => new SpecificationExample(
                    Path.GetFileNameWithoutExtension(name[ResourcePrefix.Length..]),
                    TextOf(assembly, name))),
        ];
    }

    private static string TextOf(Assembly assembly, string name)
    {
        using var reader = new StreamReader(assembly.GetManifestResourceStream(name)!);
        return reader.ReadToEnd();
    }
}
