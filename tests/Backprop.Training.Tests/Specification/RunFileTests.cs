using Backprop.Data.Sources;
using Backprop.Engine;
using Backprop.Training.Specification;

namespace Backprop.Training.Tests.Specification;

/// <summary>What the repository ships can be run.</summary>
public sealed class RunFileTests
{
    public static TheoryData<string> Files => new(RunFiles.All);

    /// <summary>Runs whose data are in the repository or are computed.</summary>
    public static TheoryData<string> FilesWithData =>
        new(RunFiles.All.Where(file => !file.StartsWith("fashion", StringComparison.Ordinal)));

    [Fact]
    public void The_promised_runs_are_there() => Assert.Superset(
        new HashSet<string>
        {
            "digits.conf", "digits-cnn.conf", "fashion-mnist-mlp.conf", "fashion-mnist-cnn.conf",
            "iris.conf", "wine.conf", "breast-cancer.conf", "letter.conf", "shuttle.conf",
            "concrete.conf", "ames.conf", "ames-outputs.conf", "xor.conf", "moons.conf",
            "spirals.conf",
            "articles/two-two-two.conf",
            "articles/two-two-two-10000.conf", "articles/descent-from-0.conf",
            "articles/descent-from-minus-4.conf", "articles/three-layer-teacher.conf",
            "articles/cross-entropy.conf", "articles/error-splitting.conf",
        },
        RunFiles.All.ToHashSet());

    [Theory]
    [MemberData(nameof(Files))]
    public void Every_run_file_is_valid_and_is_called_as_its_run(string file)
    {
        RunSpecification run = RunFiles.Read(file);
        Assert.Equal(Path.GetFileNameWithoutExtension(file), run.Name);
        string text = File.ReadAllText(Path.Combine(RepositoryPaths.Runs, file));
        Assert.StartsWith("# ", text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(FilesWithData))]
    public void Every_run_file_can_be_planned(string file)
    {
        using PlannedRun planned = RunPlanner.Plan(
            RunFiles.Read(file), RepositoryData.Opener, memoryLimitBytes: 2L << 30);
        Assert.True(planned.Plan.Train.Count > 0);
        Assert.InRange(planned.MemoryBytes, 1, 2L << 30);
    }

    [Theory]
    [InlineData("fashion-mnist-mlp.conf")]
    [InlineData("fashion-mnist-cnn.conf")]
    public void Fashion_mnist_has_the_network_it_says(string file)
    {
        RunSpecification run = RunFiles.Read(file);
        Assert.Equal(10, RunPlanner.BuildNetwork(run, Shape.Of(28, 28)).OutputShape.Count);
    }

    [Fact]
    public void An_included_run_is_the_same_but_for_its_own_keys()
    {
        RunSpecification one = RunFiles.Read("articles/two-two-two.conf");
        RunSpecification many = RunFiles.Read("articles/two-two-two-10000.conf");
        Assert.Equal(10_000, many.Epochs);
        Assert.Equal(
            ["epochs = 10000", "name = two-two-two-10000"],
            many.CanonicalText.Split('\n').Except(one.CanonicalText.Split('\n')));
    }
}
