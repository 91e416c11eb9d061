using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Backprop.Engine;

namespace Backprop.Data.Preparation;

/// <summary>
/// Everything that is done to samples before a network sees them, fitted on the training part and
/// kept with the run's result, so that predictions see the same.
/// </summary>
public sealed record DataPreparation
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower, false) },
    };

    /// <summary>Does nothing.</summary>
    public static DataPreparation None { get; } = new();

    /// <summary>First: what stands in for missing features.</summary>
    public Imputation Missing { get; init; } = Imputation.None;

    /// <summary>Then: the features' scale.</summary>
    public Normalization Features { get; init; } = Normalization.None;

    /// <summary>The targets' scale; <see cref="Normalization.Restore"/> brings outputs of the
    /// network back to the source's units.</summary>
    public Normalization Targets { get; init; } = Normalization.None;

    /// <summary>Fits a preparation on a training part.</summary>
    /// <param name="train">The training part as it was read.</param>
    /// <param name="features">How features are normalized.</param>
    /// <param name="targets">How targets are normalized.</param>
    /// <param name="missing">What stands in for each feature's missing values; default: nothing is
    /// missing.</param>
    public static DataPreparation Fit(
        IDataset train, NormalizationMethod features,
        NormalizationMethod targets = NormalizationMethod.None,
        ImmutableArray<MissingFill> missing = default)
    {
        Imputation imputation = Imputation.Fit(train, missing.IsDefault ? [] : missing);
        IDataset filled = new DataPreparation { Missing = imputation }.Apply(train);
        return new DataPreparation
        {
            Missing = imputation,
            Features = Normalization.OfFeatures(filled, features),
            Targets = Normalization.OfTargets(filled, targets),
        };
    }

    /// <summary>Reads a preparation that <see cref="ToJson"/> wrote.</summary>
    /// <param name="source">The file, for messages.</param>
    /// <param name="json">The text.</param>
    /// <exception cref="InvalidDatasetException">It is not such a text.</exception>
    public static DataPreparation FromJson(string source, string json)
    {
        try
        {
            var read = JsonSerializer.Deserialize<DataPreparation>(json, Json);
            return read is { Missing: not null, Features: not null, Targets: not null }
                ? read
                : throw new JsonException("a part of it is null");
        }
        catch (JsonException e)
        {
            throw new InvalidDatasetException(
                source, $"it is not a stored preparation: {e.Message}",
                "name what a training run has written", cause: e);
        }
    }

    /// <summary>The preparation as JSON, every number to the last bit.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>The dataset as prepared by this. It refers to <paramref name="dataset"/> and does
    /// not own it.</summary>
    /// <exception cref="InvalidDatasetException">This was fitted on samples of another size.
    /// </exception>
    public IDataset Apply(IDataset dataset)
    {
        if (!Missing.Fits(dataset.FeatureShape.Count)
            || !Features.Fits(dataset.FeatureShape.Count)
            || !Targets.Fits(dataset.Target.ValueWidth))
        {
            throw new InvalidDatasetException(
                dataset.Source,
                $"samples of {dataset.FeatureShape} features and {dataset.Target.Width} targets "
                + "do not suit the stored preparation",
                "use data like those the network was trained on");
        }

        Targets.RequireSuitable(dataset);
        return this == None ? dataset : new PreparedDataset(dataset, this);
    }

    /// <summary>What is done to some of a sample's features, as if they were all.</summary>
    /// <param name="features">Which, by index, in the order in which they then stand.</param>
    public DataPreparation OfFeatures(ImmutableArray<int> features) => this with
    {
        Missing = Missing.Values.IsEmpty
            ? Missing
            : Missing with { Values = [.. features.Select(feature => Missing.Values[feature])] },
        Features = Features.Offsets.Length <= 1
            ? Features
            : Features with
            {
                Offsets = [.. features.Select(feature => Features.Offsets[feature])],
                Spreads = [.. features.Select(feature => Features.Spreads[feature])],
            },
    };

    /// <summary>How each target is scaled, in the order of the schema's parts; classes are not.
    /// </summary>
    public ImmutableArray<Normalization> TargetsOf(TargetSchema schema)
    {
        var scales = ImmutableArray.CreateBuilder<Normalization>();
        int first = 0;
        foreach (TargetPart part in schema.Parts)
        {
            bool isScaled = part.Schema is TargetSchema.Values;
            scales.Add(isScaled ? Targets.Slice(first, part.Schema.Width) : Normalization.None);
            first += isScaled ? part.Schema.Width : 0;
        }

        return scales.ToImmutable();
    }

    private sealed class PreparedDataset(IDataset dataset, DataPreparation preparation) : IDataset
    {
        private readonly ImmutableArray<TargetPart> _targets = dataset.Target.Parts;
        private readonly ImmutableArray<Normalization> _scales =
            preparation.TargetsOf(dataset.Target);

        public string Source => dataset.Source;

        public long Count => dataset.Count;

        public Shape FeatureShape => dataset.FeatureShape;

        public TargetSchema Target => dataset.Target;

        public ImmutableArray<string> FeatureNames => dataset.FeatureNames;

        public void ReadFeatures(long sample, Span<float> destination)
        {
            dataset.ReadFeatures(sample, destination);
            preparation.Missing.Apply(destination[..FeatureShape.Count]);
            preparation.Features.Apply(destination[..FeatureShape.Count]);
        }

        public void ReadTarget(long sample, Span<float> destination)
        {
            dataset.ReadTarget(sample, destination);
            for (int i = 0; i < _targets.Length; i++)
            {
                _scales[i].Apply(
                    destination.Slice(_targets[i].Offset, _targets[i].Schema.Width));
            }
        }

        public void Dispose()
        {
        }
    }
}
