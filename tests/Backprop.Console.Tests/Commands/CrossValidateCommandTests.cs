using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary><c>backprop cross-validate</c>.</summary>
public sealed class CrossValidateCommandTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Every_sample_is_held_out_once_and_the_scores_are_those_of_the_folds()
    {
        JsonElement result = Validate("--folds", "4", "--stratified");

        JsonElement[] folds = [.. result.GetProperty("folds").EnumerateArray()];
        Assert.Equal(4, folds.Length);
        Assert.Equal(
            Enumerable.Range(0, 150),
            folds.SelectMany(fold => fold.GetProperty("heldOut").EnumerateArray())
                .Select(sample => sample.GetInt32()).Order());
        double[] accuracies = [.. folds.Select(AccuracyOf)];
        Assert.All(accuracies, accuracy => Assert.InRange(accuracy, 0.85, 1));
        JsonElement score = result.GetProperty("scores").EnumerateArray()
            .Single(s => s.GetProperty("name").GetString() == "accuracy");
        Assert.Equal(accuracies.Average(), score.GetProperty("mean").GetDouble(), 1e-12);
        double deviation = Math.Sqrt(
            accuracies.Sum(a => Math.Pow(a - accuracies.Average(), 2)) / 3);
        Assert.Equal(deviation, score.GetProperty("deviation").GetDouble(), 1e-12);
    }

    [Fact]
    public void A_fold_is_the_run_that_holds_it_out()
    {
        JsonElement fold = Validate("--folds", "3").GetProperty("folds")[1];
        string specification = _scratch.Write(
            "fold.conf", Iris + "\ndata.validation { folds = 3, fold = 1 }");
        CommandRun.Succeeds("train", specification, "--output", _scratch["run"]);

        Assert.Equal(
            CommandRun.Weights(_scratch["run"]),
            fold.GetProperty("weightsSha256")[0].GetString());
        Assert.Equal(50, fold.GetProperty("metrics").GetProperty("rows").GetInt32());
    }

    [Fact]
    public void People_see_a_table_of_at_most_80_columns()
    {
        string text = CommandRun.Succeeds(
            "cross-validate", _scratch.Write("iris.conf", Iris), "--folds", "3").Output;

        Assert.Matches(@"\nfold +samples +loss +accuracy +weights", "\n" + text);
        Assert.Matches(@"\naccuracy 0\.\d+ ± 0\.\d+ over 3 folds", text);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));
    }

    [Fact]
    public void What_cannot_be_cut_is_refused()
    {
        string iris = _scratch.Write("iris.conf", Iris);
        CommandRun.Fails(
            ExitCode.Mistake, "--folds is 1, where 2 to 1000 may be",
            "cross-validate", iris, "--folds", "1");
        CommandRun.Fails(
            ExitCode.Mistake, "its 150 samples cannot be cut into 151 parts",
            "cross-validate", iris, "--folds", "151");
        CommandRun.Fails(
            ExitCode.Mistake, "a text is parted by position",
            "cross-validate", "hocon/runs/text-lstm.conf");
        CommandRun.Fails(
            ExitCode.Mistake, "there are no classes to stratify by",
            "cross-validate", "hocon/runs/concrete.conf", "--stratified");
    }

    private static string Iris =>
        Specifications.Iris("softmax-cross-entropy").Replace("epochs = 60", "epochs = 15");

    private static double AccuracyOf(JsonElement fold) => fold.GetProperty("metrics")
        .GetProperty("classification").GetProperty("accuracy").GetDouble();

    private JsonElement Validate(params string[] options)
    {
        string specification = _scratch.Write("iris.conf", Iris);
        using var document = JsonDocument.Parse(CommandRun.Succeeds(
            ["cross-validate", specification, "--json", .. options]).Output);
        return document.RootElement.Clone();
    }
}
