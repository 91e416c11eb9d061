using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Sources;

namespace Backprop.Models;

/// <summary>Files of samples without targets.</summary>
internal static class SampleFile
{
    /// <summary>Opens a file for a model: a table like the one it was trained on, an IDX file of
    /// images, or NumPy's <c>.npy</c> or <c>.npz</c>.</summary>
    public static IDataset Open(Model model, string path)
    {
        if (!File.Exists(path))
        {
            throw new ModelException($"there is no input '{path}'");
        }

        DataSource trained = model.Specification.Data.Train.Value;
        return (Path.GetExtension(path).ToLowerInvariant(), trained) switch
        {
            (".npy", _) => NumpyFormat.OpenFeatures(new NumpyArray(path)),
            (".npz", DataSource.Numpy { Options.Shards: [{ Features.Array: string name }, ..] }) =>
                NumpyFormat.OpenFeatures(new NumpyArray(path, name)),
            (".npz", _) => NumpyFormat.OpenFeatures(new NumpyArray(path)),
            (_, DataSource.Idx) => IdxFormat.OpenFeatures(path),
            (_, DataSource.Csv { Options: CsvOptions options }) =>
                CsvFormat.Open(ForPrediction(model, options, path)),
            _ => CsvFormat.Open(new CsvOptions
            {
                Paths = [path],
                Target = null,
                HasHeader = false,
            }),
        };
    }

    /// <summary>The training table's columns, with the categories that were found there.</summary>
    private static CsvOptions ForPrediction(Model model, CsvOptions trained, string path)
    {
        IEnumerable<string> targets = trained.Target switch
        {
            CsvTarget.Class target => [target.Column],
            CsvTarget.Values target => target.Columns,
            _ => [],
        };
        string head = File.ReadLines(path).FirstOrDefault("");
        string[] names = [.. head.Split(trained.Delimiter).Select(name => name.Trim(' ', '"'))];
        return trained with
        {
            Paths = [path],
            Target = null,
            Columns =
            [
                .. model.Resolve(trained.Columns),
                .. targets.Where(name => trained.HasHeader && names.Contains(name))
                    .Select(name => new CsvColumn.Ignored(name)),
            ],
        };
    }
}
