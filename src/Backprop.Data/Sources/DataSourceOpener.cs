using System.Collections.Immutable;
using Backprop.Data.Formats;
using Backprop.Data.Generated;

namespace Backprop.Data.Sources;

/// <summary>Opens datasets with the readers of this project.</summary>
public sealed class DataSourceOpener : IDataSourceOpener
{
    /// <inheritdoc/>
    public IDataset Open(DataSource source, IDataset? train)
    {
        ImmutableArray<string>? classes = (train?.Target as TargetSchema.Class)?.Classes;
        return source switch
        {
            DataSource.Idx idx => IdxFormat.Open(
                idx.Options with { Classes = idx.Options.Classes ?? classes }),
            DataSource.Numpy numpy => NumpyFormat.Open(
                numpy.Options with { Classes = numpy.Options.Classes ?? classes }),
            DataSource.Csv csv => CsvFormat.Open(ForColumnsOf(train, csv.Options)),
            DataSource.Generated generated => GeneratedDataset.Of(generated.Options),
            DataSource.Inline inline => new InMemoryDataset(
                "inline data", inline.FeatureShape, inline.Target, [.. inline.Features],
                [.. inline.Targets]),
            _ => throw new InvalidOperationException($"unknown source {source.GetType()}"),
        };
    }

    // How a file is written is its own affair; what its columns become is the training set's.
    private static CsvOptions ForColumnsOf(IDataset? train, CsvOptions options) =>
        train is not CsvTable table
            ? options
            : table.Resolved with
            {
                Paths = options.Paths,
                HasHeader = options.HasHeader,
                Delimiter = options.Delimiter,
                MissingTokens = options.MissingTokens,
            };
}
