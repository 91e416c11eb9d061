using System.Collections.Immutable;
using Backprop.Data.Formats;
using Backprop.Data.Generated;
using Backprop.Data.Tensors;

namespace Backprop.Data.Sources;

/// <summary>Opens datasets with the readers of this project.</summary>
/// <param name="directory">What relative paths start from; null: the process's working directory.
/// </param>
/// <param name="cache">Gets files that are named by URL; null: such files are refused.</param>
/// <param name="roots">Where files must lie; null: anywhere.</param>
public sealed class DataSourceOpener(
    string? directory = null, FileCache? cache = null, DataRoots? roots = null)
    : IDataSourceOpener
{
    /// <inheritdoc/>
    public IDataset Open(DataSource source, IDataset? train)
    {
        var target = train?.Target as TargetSchema.Class;
        ImmutableArray<string>? classes = target?.Classes;
        return Located(source) switch
        {
            DataSource.Idx idx => IdxFormat.Open(
                idx.Options with { Classes = idx.Options.Classes ?? classes }),
            DataSource.Numpy numpy => NumpyFormat.Open(
                numpy.Options with { Classes = numpy.Options.Classes ?? classes }),
            DataSource.Images images => ImageFolderFormat.Open(
                images.Options with { Classes = images.Options.Classes ?? classes }),
            DataSource.TarShards tar => TarShardFormat.Open(
                tar.Options with { Classes = tar.Options.Classes ?? classes }),
            DataSource.Text text =>
                TextFormat.Open(text.Options.WithDefaultVocabulary(classes, target?.Tokenizer)),
            DataSource.Table table => TableFormat.Open(ForColumnsOf(train, table.Options)),
            DataSource.Generated generated => GeneratedDataset.Of(generated.Options),
            DataSource.Inline inline => new InMemoryDataset(
                "inline data", inline.FeatureShape, inline.Target, [.. inline.Features],
                [.. inline.Targets]),
            _ => throw new InvalidOperationException($"unknown source {source.GetType()}"),
        };
    }

    /// <inheritdoc/>
    public ITensorFile OpenTensors(string file)
    {
        bool isIndex =
            file.Split('#')[0].EndsWith(SafetensorsIndex.Extension, StringComparison.Ordinal);
        if (isIndex && RemoteFile.IsUrl(file))
        {
            throw new InvalidDatasetException(
                file, "the files that an index names lie beside it, and have no SHA-256",
                "name the path of an index, or the URL of a single file");
        }

        string path = PathOf(file);
        return isIndex ? SafetensorsIndex.Open(path) : SafetensorsFile.Open(path);
    }

    private DataSource Located(DataSource source) => source switch
    {
        DataSource.Idx { Options: var options } => new DataSource.Idx(options with
        {
            Shards =
            [
                .. options.Shards.Select(
                    files => new IdxFiles(PathOf(files.Images), PathOf(files.Labels))),
            ],
        }),
        DataSource.Numpy { Options: var options } => new DataSource.Numpy(options with
        {
            Shards =
            [
                .. options.Shards.Select(files => new NumpyFiles(
                    files.Features with { Path = PathOf(files.Features.Path) },
                    files.Targets with { Path = PathOf(files.Targets.Path) })),
            ],
        }),
        DataSource.Images { Options: var options } => new DataSource.Images(
            options with { Path = PathOf(options.Path) }),
        DataSource.Text { Options: var options } => new DataSource.Text(options with
        {
            Path = PathOf(options.Path),
            BytePairs = options.BytePairs is BytePairSource.File file
                ? new BytePairSource.File(
                    PathOf(file.Path), file.Merges is null ? null : PathOf(file.Merges))
                : options.BytePairs,
        }),
        DataSource.Table { Options: var options } => new DataSource.Table(
            options with { Paths = [.. options.Paths.SelectMany(PathsOf)] }),
        DataSource.TarShards { Options: var options } => new DataSource.TarShards(
            options with { Paths = [.. options.Paths.SelectMany(PathsOf)] }),
        _ => source,
    };

    private IEnumerable<string> PathsOf(string file) =>
        RemoteFile.IsUrl(file) ? [PathOf(file)] : FilePattern.Matching(PathOf(file));

    private string PathOf(string file)
    {
        if (roots?.RefusalOf(file) is { } refusal)
        {
            throw new InvalidDatasetException(
                file, refusal, "name a file that lies in one of them");
        }

        if (!RemoteFile.IsUrl(file))
        {
            return directory is null ? file : Path.Combine(directory, file);
        }

        if (!RemoteFile.TryParse(file, out RemoteFile? remote, out string? mistake))
        {
            throw new InvalidDatasetException(file, "it is no URL of a file", mistake);
        }

        return cache?.PathOf(remote) ?? throw new InvalidDatasetException(
            file, "files are not got by HTTP here", "name the path of a file");
    }

    // How a file is written is its own affair; what its columns become is the training set's.
    private static TableOptions ForColumnsOf(IDataset? train, TableOptions options) =>
        train is not TableDataset table
            ? options
            : table.Resolved with
            {
                Paths = options.Paths,
                Syntax = options.Syntax,
                MissingTokens = options.MissingTokens,
            };
}
