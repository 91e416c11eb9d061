using System.Collections.Immutable;
using System.CommandLine;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Data;
using Backprop.Data.Formats;
using Backprop.Data.Sources;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary>What <c>backprop data convert</c> makes of the data of a run.</summary>
internal sealed class DatasetConversionOptions
{
    private const string Numpy = "numpy";
    private const string TarShards = "tar-shards";
    private const string FeatureFile = "features.npy";
    private const string TargetFile = "targets.npy";
    private const int DefaultShardSamples = 10_000;

    private readonly Option<string?> _to = new("--to")
    {
        Description = "What a run's data are written as: numpy or tar-shards [default: numpy]",
        HelpName = "FORMAT",
    };

    private readonly Option<string?> _part = new("--part")
    {
        Description = "Which of a run's data: training, validation or test [default: training]",
        HelpName = "NAME",
    };

    private readonly Option<int?> _shardSamples = new("--shard-samples")
    {
        Description = "Samples of each tar archive [default: 10000]",
        HelpName = "N",
    };

    public DatasetConversionOptions()
    {
        _to.AcceptOnlyFromAmong(Numpy, TarShards);
        _part.AcceptOnlyFromAmong("training", "validation", "test");
        _shardSamples.Validators.Add(result =>
        {
            if (result.GetValue(_shardSamples) is < 1)
            {
                result.AddError("--shard-samples must be at least 1");
            }
        });
    }

    public void AddTo(Command command)
    {
        command.Add(_to);
        command.Add(_part);
        command.Add(_shardSamples);
    }

    /// <summary>Refuses options that are of a run's data where a table is converted.</summary>
    public void RequireNone(ParseResult result)
    {
        if (result.GetValue(_to) is not null || result.GetValue(_part) is not null
            || result.GetValue(_shardSamples) is not null)
        {
            throw new MistakeException(
                "--to, --part and --shard-samples are for a specification (.conf); the ending of "
                + "OUTPUT says how a table is written");
        }
    }

    /// <summary>Writes samples of a run to a folder, as they are before they are parted and
    /// prepared, reads them back, and says how a specification names them.</summary>
    public void Convert(
        CommandEnvironment environment, ParseResult result, RunSpecification run, string folder)
    {
        IDataSourceOpener opener = SpecificationFile.Opener();
        using IDataset train = opener.Open(run.Data.Train.Value, null);
        DataSource? following = result.GetValue(_part) switch
        {
            "validation" => SourceOf("validation", run.Data.Validation),
            "test" => SourceOf("test", run.Data.Test),
            _ => null,
        };
        using IDataset? other = following is null ? null : opener.Open(following, train);
        IDataset samples = other ?? train;
        DurableFile.RequireDirectory(folder);
        Directory.CreateDirectory(folder);
        Written written = result.GetValue(_to) == TarShards
            ? WriteTarShards(
                samples, folder, result.GetValue(_shardSamples) ?? DefaultShardSamples)
            : WriteNumpy(samples, folder);
        using IDataset back = opener.Open(written.Source, null);
        string sha256 = DatasetDigest.Compute(back), expected = DatasetDigest.Compute(samples);
        if (sha256 != expected)
        {
            throw new MistakeException(
                $"'{folder}' was written, but does not have the samples of the run: its digest is "
                + $"{sha256}, where {expected} should be");
        }

        environment.For(result).Answer(
            new
            {
                files = written.Files, samples = samples.Count, sha256,
                specification = written.Specification,
            },
            [
                $"{folder}: {NumberText.Count(samples.Count)} samples, sha-256 {sha256}", "",
                .. written.Specification.TrimEnd('\n').Split('\n'),
            ]);
    }

    private static DataSource SourceOf(string part, Placed<DataSource>? source) =>
        source?.Value ?? throw new MistakeException(
            $"the run has no {part} data of its own; what it holds out of the training data is "
            + "held out of the converted ones as well");

    private static Written WriteNumpy(IDataset samples, string folder)
    {
        string features = Path.Combine(folder, FeatureFile);
        string targets = Path.Combine(folder, TargetFile);
        DurableFile.Write(features, featureStream => DurableFile.Write(
            targets,
            targetStream => DatasetConversion.WriteNumpy(samples, featureStream, targetStream)));
        var classes = samples.Target as TargetSchema.Class;
        var source = new DataSource.Numpy(new NumpyOptions
        {
            Shards = [new NumpyFiles(new NumpyArray(features), new NumpyArray(targets))],
            Target = classes is null ? ArrayTarget.Values : ArrayTarget.Class,
            Classes = classes?.Classes,
            Names = (samples.Target as TargetSchema.Values)?.Names,
        });
        return new Written(source, [features, targets], SourceText.Of(source));
    }

    private static Written WriteTarShards(IDataset samples, string folder, int shardSamples)
    {
        var files = new List<string>();
        DatasetConversion.WriteTarShards(samples, shardSamples, (shard, write) =>
        {
            files.Add(Path.Combine(folder, FormattableString.Invariant($"shard-{shard:D6}.tar")));
            DurableFile.Write(files[^1], write);
        });
        var options = new TarShardOptions
        {
            Paths = [.. files],
            Features = [".npy"],
            Classes = ((TargetSchema.Class)samples.Target).Classes,
        };
        string range = FormattableString.Invariant($"shard-{{000000..{files.Count - 1:D6}}}.tar");
        return new Written(
            new DataSource.TarShards(options), options.Paths,
            SourceText.Of(new DataSource.TarShards(
                options with { Paths = [Path.Combine(folder, range)] })));
    }

    /// <summary>What was written, and how a specification names it.</summary>
    private sealed record Written(
        DataSource Source, ImmutableArray<string> Files, string Specification);
}
