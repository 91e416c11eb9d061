using System.Globalization;
using System.IO.Compression;
using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary>What the commands make of a run of several inputs and outputs.</summary>
public sealed class NamedOutputCommandTests : IDisposable
{
    private const string Run = "hocon/runs/ames-outputs.conf";
    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void A_run_is_trained_judged_and_predicted_from_output_by_output()
    {
        string file = _scratch.Write("run.conf", $$"""
            include "{{Path.Combine(CommandRun.Root, Run)}}"
            epochs = 6
            """);
        CommandRun.Succeeds("train", file, "--output", _scratch["run"]);
        string model = _scratch["run/model.bpm"];
        JsonElement summary = CommandRun.Summary(_scratch["run"]);
        JsonElement outputs = summary.GetProperty("metrics").GetProperty("validation")
            .GetProperty("outputs");
        Assert.Equal(
            ["price", "style", "early-price"],
            outputs.EnumerateArray().Select(output => output.GetProperty("name").GetString()!));
        double r2 = outputs[0].GetProperty("metrics").GetProperty("regression")
            .GetProperty("r2").GetDouble();
        Assert.InRange(r2, 0.7, 1);
        Assert.Equal(
            r2, summary.GetProperty("history").EnumerateArray()
                .Last().GetProperty("metric").GetDouble());

        string text = CommandRun.Succeeds("evaluate", model).Output;
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"R² {r2:G4}"), text);
        Assert.Contains("\nstyle: loss ", text);
        Assert.Contains("Two_Story", text);

        string table = _scratch.Write(
            "houses.csv", string.Join('\n', Houses().Take(4)) + "\n");
        string[] lines = CommandRun.Succeeds("predict", model, table).Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, lines.Length);
        Assert.Matches(
            @"^0: price: Sale_Price \d+.*; style: \w+ \(\d+\.\d%\); early-price: Sale_Price",
            lines[0]);
        JsonElement[] documents =
        [
            .. CommandRun.Succeeds("predict", model, table, "--json").Output
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => JsonDocument.Parse(line).RootElement),
        ];
        JsonElement predictions = documents[2].GetProperty("predictions");
        Assert.Equal(2, documents[2].GetProperty("sample").GetInt64());
        Assert.InRange(
            predictions.GetProperty("price").GetProperty("values").GetProperty("Sale_Price")
                .GetDouble(), 3e4, 8e5);
        Assert.Equal(
            1, predictions.GetProperty("style").GetProperty("probabilities").EnumerateObject()
                .Sum(one => one.Value.GetDouble()), 6);
    }

    [Fact]
    public void A_description_has_the_inputs_and_what_each_output_counts()
    {
        string text = CommandRun.Succeeds("describe", Run).Output;
        Assert.Contains("place: features 302-303,", text);
        Assert.Contains("early-price: 1, mean-squared-error, weight 0.25, target price", text);
        using var document = JsonDocument.Parse(
            CommandRun.Succeeds("describe", Run, "--json").Output);
        Assert.Equal(
            "65", document.RootElement.GetProperty("inputs")[0].GetProperty("shape").GetString());
        Assert.Equal(
            0.5, document.RootElement.GetProperty("outputs")[1].GetProperty("weight").GetDouble());
    }

    [Fact]
    public void Folds_are_scored_output_by_output()
    {
        string file = _scratch.Write("folds.conf", $$"""
            include "{{Path.Combine(CommandRun.Root, Run)}}"
            epochs = 1
            """);
        using var document = JsonDocument.Parse(
            CommandRun.Succeeds("cross-validate", file, "--folds", "2", "--json").Output);
        Assert.Equal(
            ["loss", "price.loss", "price.r2", "price.mae", "price.rmse", "style.loss",
                "style.accuracy", "early-price.loss", "early-price.r2", "early-price.mae",
                "early-price.rmse"],
            document.RootElement.GetProperty("scores").EnumerateArray()
                .Select(score => score.GetProperty("name").GetString()!));
    }

    [Fact]
    public void Gradients_of_the_weighted_sum_agree_with_central_differences() =>
        Assert.Contains(
            "style.dense1.weight", CommandRun.Succeeds("gradcheck", Run).Output);

    [Fact]
    public void What_has_one_output_alone_is_refused() => CommandRun.Fails(
        ExitCode.Mistake, "the outputs kind, size; networks that can be explained have one",
        "explain", _scratch.Write("small.conf", """
            name = small
            data { train { inline { features = [[0, 1], [1, 0]], targets = [[1], [2]] } } }
            model = [
              { output { name = kind, layers = [ { dense = 1 } ] } }
              { output { name = size, layers = [ { dense = 1 } ] } }
            ]
            loss { outputs {
              kind { loss = mean-squared-error }, size { loss = huber }
            } }
            optimizer { sgd { learning-rate = 0.1 } }
            batch-size = 2, epochs = 1
            """));

    private static IEnumerable<string> Houses()
    {
        using var zipped = new GZipStream(
            File.OpenRead(Path.Combine(CommandRun.Root, "data/tables/ames.csv.gz")),
            CompressionMode.Decompress);
        using var reader = new StreamReader(zipped);
        while (reader.ReadLine() is { } line)
        {
            yield return line;
        }
    }
}
