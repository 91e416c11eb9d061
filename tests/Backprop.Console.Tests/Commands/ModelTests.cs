using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using System.Text.Json;

namespace Backprop.Console.Tests.Commands;

/// <summary>What becomes of a trained network: <c>evaluate</c> and <c>predict</c>.</summary>
public sealed class ModelTests : IDisposable
{
    private const string Table = "data/tables/iris.csv";
    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Evaluation_repeats_what_the_run_found()
    {
        string model = Train(Specifications.Moons
            + "\ndata.test { generated { moons { samples = 100, noise = 0.1, seed = 2 } } }");
        string text = CommandRun.Succeeds("evaluate", model).Output;
        JsonElement test = CommandRun.Summary(_scratch["run"]).GetProperty("metrics")
            .GetProperty("test");

        Assert.StartsWith("100 samples of ", text);
        Assert.Contains(string.Create(
            CultureInfo.InvariantCulture,
            $"loss {test.GetProperty("loss").GetDouble():G4} accuracy "), text);
        Assert.Contains("class  samples  precision  recall", text);
        Assert.Contains("what a class (row) was taken for (column)", text);
        string training = CommandRun.Succeeds("evaluate", model, "--part", "training").Output;
        Assert.StartsWith("200 samples of ", training);
        CommandRun.Fails(
            ExitCode.Mistake, "no validation part", "evaluate", model, "--part", "validation");
    }

    [Fact]
    public void Other_data_are_prepared_as_the_training_data_were()
    {
        string model = Train(Specifications.Iris("softmax-cross-entropy"));

        // One species only: fitted on these, a normalization would hide what tells it from others,
        // and the classes would be counted as one.
        string[] lines = File.ReadAllLines(Path.Combine(CommandRun.Root, Table));
        string one = _scratch.Write(
            "one.csv",
            string.Join('\n', lines.Where((line, i) => i == 0 || line.EndsWith(",2"))) + "\n");
        string data = _scratch.Write(
            "one.conf", Specifications.Iris("softmax-cross-entropy", one));
        string text = CommandRun.Succeeds("evaluate", model, "--data", data).Output;

        Assert.StartsWith("50 samples of ", text);
        Assert.Matches(@"\n2 +50 +100\.0% +9\d\.\d% ", text);
    }

    [Fact]
    public void Data_of_other_classes_are_refused()
    {
        string model = Train(Specifications.Moons);
        string other = _scratch.Write("other.conf", Specifications.Moons.Replace(
            "generated { moons { samples = 200, noise = 0.1, seed = 1 } }",
            "inline { features = [[0, 0], [1, 1]], labels = [0, 1], classes = [no, yes] }"));

        CommandRun.Fails(
            ExitCode.Mistake, "has the classes no, yes; the network was trained on ",
            "evaluate", model, "--data", other);
    }

    [Fact]
    public void Predictions_of_a_table_name_the_class_and_how_probable_it_is()
    {
        string model = Train(Specifications.Iris("softmax-cross-entropy"));

        // The table with its targets: they are not looked at.
        string text = CommandRun.Succeeds("predict", model, Table).Output;
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        string[] classes =
        [
            .. File.ReadLines(Path.Combine(CommandRun.Root, Table)).Skip(1)
                .Select(line => line[(line.LastIndexOf(',') + 1)..]),
        ];
        Assert.Equal(150, lines.Length);
        Assert.All(lines, line => Assert.Matches(@"^\d+: [012] \(\d+\.\d%\)", line));
        int right = lines.Where((line, i) => line.Contains($": {classes[i]} (")).Count();
        Assert.InRange(right, 140, 150);
    }

    [Fact]
    public void A_network_that_was_trained_on_folders_of_images_reads_images()
    {
        const string Images = "tests/Backprop.Data.Tests/Fixtures/images";
        string model = Train($$"""
            name = images
            data {
              train { images { path = {{Images}}, channels = grey, size = [6, 10] } }
              normalize = unit
            }
            model = [ flatten, { dense { units = 2 } } ]
            loss = softmax-cross-entropy
            optimizer { adam { learning-rate = 0.05 } }
            batch-size = 9, epochs = 200
            """);

        string[] lines = CommandRun.Succeeds("predict", model, $"{Images}/round").Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(3, lines.Length);
        string one = CommandRun.Succeeds("predict", model, $"{Images}/flat/f-deep.png").Output;
        Assert.Matches(@"^0: flat \(\d+\.\d%\)", one);
        CommandRun.Fails(
            ExitCode.Mistake, "it is neither PNG nor JPEG", "predict", model,
            "data/tables/iris.csv");
    }

    [Fact]
    public void Predictions_as_json_have_every_probability()
    {
        string model = Train(Specifications.Iris("softmax-cross-entropy"));
        string input = _scratch.Write(
            "input.csv",
            "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n");
        JsonElement json = Parse(CommandRun.Succeeds("predict", model, input, "--json").Output);

        Assert.Equal(0, json.GetProperty("sample").GetInt64());
        Assert.Equal("0", json.GetProperty("class").GetString());
        double[] probabilities =
        [
            .. json.GetProperty("probabilities").EnumerateObject().Select(p => p.Value.GetDouble()),
        ];
        Assert.Equal(3, probabilities.Length);
        Assert.Equal(1, probabilities.Sum(), 1e-12);
        Assert.Equal(probabilities.Max(), json.GetProperty("probability").GetDouble());
    }

    [Fact]
    public void Classes_learned_by_a_loss_of_values_are_named_without_a_probability()
    {
        string model = Train(Specifications.Iris("half-squared-error"));
        string input = _scratch.Write(
            "input.csv",
            "sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n");

        Assert.Matches(
            @"^0: 0 \(0 [\d.e-]+, 1 -?[\d.e-]+, 2 -?[\d.e-]+\)",
            CommandRun.Succeeds("predict", model, input).Output);
        JsonElement json = Parse(CommandRun.Succeeds("predict", model, input, "--json").Output);
        Assert.Equal("0", json.GetProperty("class").GetString());
        Assert.True(json.GetProperty("outputs").GetProperty("0").GetDouble() > 0.5);
        Assert.False(json.TryGetProperty("probability", out _));
    }

    [Theory]
    [InlineData("binary-cross-entropy", @": (0|1) \(\d+\.\d%\)")]
    [InlineData("half-squared-error", @": (0|1) \(output -?[\d.e-]+\)")]
    public void Two_classes_may_share_one_output(string loss, string pattern)
    {
        string model = Train(Specifications.Moons
            .Replace("units = 2", "units = 1").Replace("softmax-cross-entropy", loss));
        string input = _scratch.Write("points.csv", "0.0,1.0\n1.0,-0.5\n");
        string[] lines = CommandRun.Succeeds("predict", model, input).Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);

        // The crest of the upper moon, and the trough of the lower one.
        Assert.Matches("^0" + pattern, lines[0]);
        Assert.StartsWith("0: 0 (", lines[0]);
        Assert.StartsWith("1: 1 (", lines[1]);
    }

    [Theory]
    [InlineData("points.npy")]
    [InlineData("points.npz")]
    public void Arrays_of_numpy_are_predicted_from(string name)
    {
        string model = Train(Specifications.Moons);
        string table = _scratch.Write("points.csv", "0.0,1.0\n1.0,-0.5\n");
        byte[] array = Npy([0, 1, 1, -0.5f], 2, 2);
        if (name.EndsWith(".npz"))
        {
            using ZipArchive archive = ZipFile.Open(_scratch[name], ZipArchiveMode.Create);
            using Stream entry = archive.CreateEntry("points.npy").Open();
            entry.Write(array);
        }
        else
        {
            File.WriteAllBytes(_scratch[name], array);
        }

        Assert.Equal(
            CommandRun.Succeeds("predict", model, table).Output,
            CommandRun.Succeeds("predict", model, _scratch[name]).Output);
    }

    [Fact]
    public void Categories_are_those_of_the_training_table_even_where_it_is_gone()
    {
        string table = _scratch.Write(
            "trees.csv",
            "kind,size,price\noak,1,4\nelm,2,4\noak,3,8\nash,1,1\nelm,3,6\nash,2,2\n");
        string model = Train($$"""
            name = trees
            seed = 1
            data {
              train { csv {
                files = "{{table}}", target { values { columns = [price] } }
                columns { kind { categorical {} } }
              } }
              normalize = standard, normalize-targets = standard
            }
            model = [ { dense { units = 8, activation = tanh } }, { dense { units = 1 } } ]
            loss = half-squared-error
            optimizer { adam { learning-rate = 0.05 } }
            batch-size = 6, micro-batches = 2, epochs = 400
            """);
        File.Delete(table);
        string input = _scratch.Write("ash.csv", "kind,size\nash,1\n");
        string text = CommandRun.Succeeds("predict", model, input).Output;

        Assert.StartsWith("0: price ", text);
        Assert.Equal(
            1, double.Parse(text["0: price ".Length..], CultureInfo.InvariantCulture), 0.2);
        string unknown = _scratch.Write("fir.csv", "kind,size\nfir,1\n");
        CommandRun.Fails(ExitCode.Mistake, "fir", "predict", model, unknown);
    }

    [Fact]
    public void Samples_of_another_shape_are_refused()
    {
        string model = Train(Specifications.Moons);
        string input = _scratch.Write("wide.csv", "1,2,3\n");

        CommandRun.Fails(ExitCode.Mistake, "samples of 3 features", "predict", model, input);
        CommandRun.Fails(
            ExitCode.Mistake, "there is no input", "predict", model, _scratch["none.csv"]);
    }

    [Fact]
    public void A_damaged_model_is_refused()
    {
        string model = Train(Specifications.Moons);
        byte[] bytes = File.ReadAllBytes(model);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(model, bytes);

        CommandRun.Fails(ExitCode.Mistake, model, "evaluate", model);
    }

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }

    private static byte[] Npy(float[] values, int rows, int columns)
    {
        string shape = $"({rows}, {columns})";
        string header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
            .PadRight(117) + "\n";
        var bytes = new byte[10 + header.Length + (values.Length * sizeof(float))];
        bytes[0] = 0x93;
        "NUMPY"u8.CopyTo(bytes.AsSpan(1));
        bytes[6] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), (ushort)header.Length);
        Encoding.ASCII.GetBytes(header).CopyTo(bytes, 10);
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteSingleLittleEndian(
                bytes.AsSpan(10 + header.Length + (i * sizeof(float))), values[i]);
        }

        return bytes;
    }

    private string Train(string specification)
    {
        string file = _scratch.Write("run.conf", specification);
        CommandRun.Succeeds("train", file, "--output", _scratch["run"]);
        return _scratch["run/model.bpm"];
    }
}
