using System.Collections.Immutable;
using Backprop.Data.Formats;

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
            DataSource.Inline inline => new InMemoryDataset(
                "inline data", inline.FeatureShape, inline.Target, [.. inline.Features],
                [.. inline.Targets]),
            _ => throw new InvalidOperationException($"unknown source {source.GetType()}"),
        };
    }
}
