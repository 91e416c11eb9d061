using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Sources;
using Backprop.Training.Specification.Hocon;

namespace Backprop.Training.Specification;

/// <summary>Data sources as a specification names them: for those who write data anew.</summary>
public static class SourceText
{
    /// <summary>The lines of a pair of arrays, or of tar archives, whose endings are given.
    /// </summary>
    /// <param name="source">One of both.</param>
    /// <exception cref="ArgumentException">It is another source.</exception>
    public static string Of(DataSource source) => HoconWriter.Write(source switch
    {
        DataSource.Numpy { Options: { Shards: [var files] } options } => Fields(("numpy", Fields(
            ("features", Scalar(files.Features.Path)), ("targets", Scalar(files.Targets.Path)),
            ("target", Scalar(options.Target == ArrayTarget.Values ? "values" : "class")),
            ("classes", List(options.Classes)), ("names", List(options.Names))))),
        DataSource.TarShards { Options: var options } => Fields(("tar-shards", Fields(
            ("files", List(options.Paths)), ("features", List(options.Features)),
            ("classes", List(options.Classes))))),
        _ => throw new ArgumentException($"{source.GetType()} is not named here", nameof(source)),
    });

    private static HoconObject Fields(params (string Key, HoconValue? Value)[] fields) => new(
        default,
        [
            .. from field in fields
               where field.Value is not null
               select new HoconField(field.Key, default, field.Value),
        ]);

    private static HoconScalar Scalar(string text) => new(default, text, isQuoted: true);

    private static HoconArray? List(ImmutableArray<string>? texts) =>
        texts is null ? null : new HoconArray(default, [.. texts.Value.Select(Scalar)]);
}
