using System.Collections.Immutable;
using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Sources;

namespace Backprop.Models;

/// <summary>Files of samples without targets.</summary>
internal static class SampleFile
{
    /// <summary>Opens a file for a model: a table like the one it was trained on, in whatever
    /// syntax, an IDX file of images, an image or a folder of images, or NumPy's <c>.npy</c> or
    /// <c>.npz</c>.</summary>
    public static IDataset Open(Model model, string path)
    {
        DataSource trained = model.Specification.Data.Train.Value;
        if (ImagesOf(trained, path) is { } images && (File.Exists(path) || Directory.Exists(path)))
        {
            return ImageFolderFormat.OpenFeatures(images);
        }

        if (!File.Exists(path))
        {
            throw new ModelException($"there is no input '{path}'");
        }

        return (Path.GetExtension(path).ToLowerInvariant(), trained) switch
        {
            (".npy", _) => NumpyFormat.OpenFeatures(new NumpyArray(path)),
            (".npz", DataSource.Numpy { Options.Shards: [{ Features.Array: string name }, ..] }) =>
                NumpyFormat.OpenFeatures(new NumpyArray(path, name)),
            (".npz", _) => NumpyFormat.OpenFeatures(new NumpyArray(path)),
            (_, DataSource.Idx) => IdxFormat.OpenFeatures(path),
            (_, DataSource.Table { Options: TableOptions options }) =>
                TableFormat.Open(ForPrediction(model, options, path)),
            _ => TableFormat.Open(new TableOptions
            {
                Paths = [path],
                Syntax = TableFiles.SyntaxOf(path, new TableSyntax.Csv { HasHeader = false }),
                Target = null,
            }),
        };
    }

    /// <summary>How images are read that are like those of the training part; null: it has none.
    /// </summary>
    private static ImageFolderOptions? ImagesOf(DataSource trained, string path) => trained switch
    {
        DataSource.Images { Options: ImageFolderOptions images } => images with { Path = path },
        DataSource.TarShards { Options: TarShardOptions shards }
            when !shards.Features.Any(TarShardOptions.IsArray) => new ImageFolderOptions
            {
                Path = path, IsGrey = shards.IsGrey, Size = shards.Size,
            },
        _ => null,
    };

    /// <summary>The training table's columns, with the categories that were found there.</summary>
    private static TableOptions ForPrediction(Model model, TableOptions trained, string path)
    {
        IEnumerable<string> targets = trained.Target?.ColumnNames ?? [];
        TableSyntax syntax = TableFiles.SyntaxOf(path, trained.Syntax);
        ImmutableArray<string> names = syntax is TableSyntax.Csv { HasHeader: false }
            ? []
            : TableFormat.ReadColumns(path, syntax);
        return trained with
        {
            Paths = [path],
            Syntax = syntax,
            Target = null,
            Columns =
            [
                .. model.Resolve(trained.Columns)
                    .Where(column => !targets.Contains(column.Name)),
                .. targets.Where(name => names.Contains(name))
                    .Select(name => new TableColumn.Ignored(name)),
            ],
        };
    }
}
