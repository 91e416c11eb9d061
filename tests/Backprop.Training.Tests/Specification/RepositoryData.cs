using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Sources;

namespace Backprop.Training.Tests.Specification;

/// <summary>Opens the data of run files, whose paths are relative to the repository's root,
/// wherever the tests run.</summary>
internal sealed class RepositoryData : IDataSourceOpener
{
    private readonly DataSourceOpener _opener = new();

    public IDataset Open(DataSource source, IDataset? train) => _opener.Open(
        source switch
        {
            DataSource.Idx idx => new DataSource.Idx(idx.Options with
            {
                Shards =
                [
                    .. idx.Options.Shards.Select(
                        s => new IdxFiles(Rooted(s.Images), Rooted(s.Labels))),
                ],
            }),
            DataSource.Csv csv => new DataSource.Csv(csv.Options with
            {
                Paths = [.. csv.Options.Paths.Select(Rooted)],
            }),
            _ => source,
        },
        train);

    private static string Rooted(string path) => Path.Combine(RepositoryPaths.Root, path);
}
