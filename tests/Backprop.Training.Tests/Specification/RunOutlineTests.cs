using Backprop.Data;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;
using Backprop.Training.Tests.Protocol.Coordination;

namespace Backprop.Training.Tests.Specification;

/// <summary>Who never sees a sample plans the same run as who does, and holds others' data against
/// it.</summary>
public sealed class RunOutlineTests
{
    private static readonly RunId Id = new("run-1");

    public static TheoryData<string> FilesOfClusters => new(RunFiles.All
        .Where(file => !file.StartsWith("fashion", StringComparison.Ordinal))
        .Where(file => ClusterRules.Refusal(RunFiles.Read(file)) is null));

    public static TheoryData<RunOutline, string> Hostile
    {
        get
        {
            RunOutline outline = Outline("concrete.conf");
            DatasetOutline train = outline.Train;
            return new()
            {
                { outline with { Train = train with { Count = 0 } }, "train part has 0 samples" },
                { outline with { Test = train with { Count = -5 } }, "test part has -5 samples" },
                { outline with { Train = train with { Sha256 = "ab" } }, "the digest 'ab'" },
                {
                    outline with { Train = train with { Sha256 = new string('g', 64) } },
                    "the digest 'ggg"
                },
                {
                    outline with
                    {
                        Validation = train with { Target = new TargetSchema.Class([]) },
                    },
                    "validation part has no targets"
                },
                { outline with { TargetScales = [] }, "0 scales for 1 target values" },
                {
                    outline with { TargetScales = [new TargetScale(double.NaN, 0)] },
                    "or one that is not finite"
                },
            };
        }
    }

    [Theory]
    [MemberData(nameof(FilesOfClusters))]
    public void A_plan_from_the_outline_is_that_from_the_data(string file)
    {
        using PlannedRun planned = Plan(file);
        CoordinationOptions options = ClusterRules.OptionsOf(planned.Specification);
        Assert.Null(planned.Outline.Refusal());
        Assert.Equal(
            Essence(CoordinationPlan.Of(Id, planned.Plan, options)),
            Essence(CoordinationPlan.Of(
                Id, planned.Specification, planned.Outline, options)));
    }

    [Fact]
    public void Data_that_differ_are_told_from_the_runs_in_words()
    {
        RunOutline run = Outline("digits.conf");
        RunOutline other = run with { Train = run.Train with { Count = 1000 } };
        Assert.Null(run.DifferenceFrom(Outline("digits.conf")));
        Assert.Equal(
            $"here is 'train: {other.Train.Identity}', where the run has "
            + $"'train: {run.Train.Identity}'",
            other.DifferenceFrom(run));
        Assert.Equal(
            $"the run has 'test: {run.Test!.Identity}', which is missing here",
            (run with { Test = null }).DifferenceFrom(run));
        RunOutline table = Outline("concrete.conf");
        Assert.Equal(
            "targets are scaled otherwise than in the run",
            (table with { TargetScales = [new TargetScale(2, 1)] }).DifferenceFrom(table));
    }

    [Theory]
    [MemberData(nameof(Hostile))]
    public void An_outline_of_no_data_is_refused(RunOutline outline, string expected) =>
        Assert.Contains(expected, outline.Refusal(), StringComparison.Ordinal);

    [Theory]
    [InlineData("ensemble { seeds = 3 }", "ensemble: a cluster trains one network a run")]
    [InlineData("backward = error-splitting", "backward: error-splitting is there for")]
    [InlineData("checkpoint { every-steps = 5 }", "checkpoint.every-steps: a cluster counts")]
    public void What_one_process_alone_can_train_is_refused_by_clusters(
        string key, string expected)
    {
        RunSpecification run = Read(key);
        Assert.Contains(
            expected, ClusterRules.Refusal(run)?.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Workers_and_checkpoints_are_coordinated_as_the_specification_says()
    {
        CoordinationOptions options = ClusterRules.OptionsOf(
            Read("workers { min = 2, max = 5 }, checkpoint { every = 3 minutes, keep = 7 }"));
        Assert.Equal((2, 5), (options.MinWorkers, options.MaxWorkers));
        Assert.Null(options.CheckpointEveryEpochs);
        Assert.Equal((TimeSpan.FromMinutes(3), 7), (
            options.CheckpointInterval!.Value, options.KeepCheckpoints));
        Assert.Null(options.Refusal());
    }

    private static RunSpecification Read(string keys) => RunSpecificationReader.Read(
        $$"""
        name = least
        data { train { generated { xor {} } } }
        model = [ { dense { units = 1 } } ]
        loss = binary-cross-entropy
        optimizer { sgd { learning-rate = 1 } }
        epochs = 3
        {{keys}}
        """,
        "x.conf");

    private static RunOutline Outline(string file)
    {
        using PlannedRun planned = Plan(file);
        return planned.Outline;
    }

    private static PlannedRun Plan(string file) =>
        RunPlanner.Plan(RunFiles.Read(file), RepositoryData.Opener, 2L << 30);

    // The layout by its entries: its other fields are made of them.
    private static string Essence(CoordinationPlan plan) =>
        string.Join(' ', plan.Dimensions.Layout.Views.Select(view =>
            $"{view.Name}:{view.Offset}+{view.Length}"))
        + StructuralText.Of(plan with { Dimensions = plan.Dimensions with { Layout = null! } });
}
