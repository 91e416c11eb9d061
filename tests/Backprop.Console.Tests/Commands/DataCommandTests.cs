using System.Formats.Tar;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Backprop.Console.Tests.Commands;

/// <summary><c>backprop data</c>.</summary>
public sealed class DataCommandTests : IDisposable
{
    private const string Iris = "data/tables/iris.csv";

    private const string Mixed = """
        id,size,kind,note
        1,0.5,b,?
        2,NA,a,"x, y"
        3,-1e3,b,
        10,7,b,z

        """;

    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void Inspection_says_what_is_in_a_table()
    {
        string table = _scratch.Write("mixed.csv", Mixed);
        string text = CommandRun.Succeeds("data", "inspect", table).Output;

        Assert.StartsWith("4 rows of 4 columns", text);
        Assert.Matches(@"\nid +whole +1 +10 +0 +4\r?\n", text);
        Assert.Matches(@"\nsize +number +-1000 +7 +1 +3\r?\n", text);
        Assert.Matches(@"\nkind +text +0 +2\r?\n", text);
        Assert.Matches(@"\nnote +text +2 +2\r?\n", text);
        Assert.All(text.Split('\n'), line => Assert.True(line.Length <= 80, line));

        JsonElement json = Json("data", "inspect", table);
        JsonElement kind = json.GetProperty("columns")[2];
        Assert.Equal(4, json.GetProperty("rows").GetInt32());
        Assert.Equal(
            ["a 1", "b 3"],
            kind.GetProperty("values").EnumerateArray().Select(value =>
                $"{value.GetProperty("value").GetString()} {value.GetProperty("count")}"));
    }

    [Fact]
    public void Inspection_of_a_run_has_the_digests_of_its_parts()
    {
        string text = CommandRun.Succeeds("data", "inspect", "hocon/runs/iris.conf").Output;

        Assert.Contains("training: 120 samples of 4", text);
        Assert.Matches(@"validation: 30 samples of 4, [^\n]+\nsha-256 [0-9a-f]{64}\r?\n", text);
        Assert.Matches(@"\n2 +10 +33\.3%", text);
    }

    [Theory]
    [InlineData("iris.jsonl")]
    [InlineData("iris.jsonl.gz")]
    [InlineData("iris.parquet")]
    [InlineData("iris.tsv")]
    public void A_converted_table_trains_the_same_weights(string name)
    {
        string digest = Json("data", "inspect", Iris).GetProperty("sha256").GetString()!;
        JsonElement converted = Json("data", "convert", Iris, _scratch[name]);
        Assert.Equal(150, converted.GetProperty("rows").GetInt32());
        Assert.Equal(digest, converted.GetProperty("sha256").GetString());

        string syntax = name.Contains("parquet") ? "parquet"
            : name.Contains("jsonl") ? "json-lines" : "csv";
        string options = syntax == "csv" ? "delimiter = tab, " : "";
        string specification = Short(Iris);
        string other = specification
            .Replace("csv {", $"{syntax} {{ {options}").Replace(Iris, _scratch[name]);
        Assert.Equal(Weights(specification), Weights(other));
    }

    [Fact]
    public void What_a_text_cannot_say_as_it_is_comes_back_all_the_same()
    {
        string table = _scratch.Write(
            "odd.csv", "a,b,\"c,d\"\n007,+3,\"say \"\"no\"\"\"\n.5,1.,NA\n,1e400,grün\n");
        string digest = Json("data", "inspect", table).GetProperty("sha256").GetString()!;
        foreach (string name in new[] { "1.jsonl", "2.parquet", "3.csv", "4.tsv" })
        {
            Assert.Equal(
                digest,
                Json("data", "convert", table, _scratch[name]).GetProperty("sha256").GetString());
            table = _scratch[name];
        }
    }

    [Theory]
    [InlineData("digits", "numpy")]
    [InlineData("digits", "tar-shards")]
    [InlineData("concrete", "numpy")]
    public void Converted_data_of_a_run_train_the_same_weights(string name, string format)
    {
        string text = ShortRun(name);
        string specification = _scratch.Write("original.conf", text);
        JsonElement train = Json(
            "data", "convert", specification, _scratch["train"], "--to", format);
        var other = new StringBuilder(text)
            .AppendLine("\ndata.train = null")
            .AppendLine($"data.train {{ {train.GetProperty("specification").GetString()} }}");
        if (name == "digits")
        {
            JsonElement test = Json(
                "data", "convert", specification, _scratch["test"], "--to", format,
                "--part", "test", "--shard-samples", "100");
            Assert.Equal(360, test.GetProperty("samples").GetInt32());
            Assert.Equal(
                format == "numpy" ? 2 : 4, test.GetProperty("files").EnumerateArray().Count());
            other.AppendLine("data.test = null").AppendLine(
                $"data.test {{ {test.GetProperty("specification").GetString()} }}");
        }

        string converted = _scratch.Write("converted.conf", other.ToString());
        Assert.Equal(PartDigests(specification), PartDigests(converted));
        Assert.Equal(Weights(text), Weights(other.ToString()));
    }

    [Fact]
    public void Archives_of_images_train_the_weights_of_their_folder()
    {
        string images = Path.Combine(
            CommandRun.Root, "tests", "Backprop.Data.Tests", "Fixtures", "images");
        string[] files = Directory.GetFiles(images, "*", SearchOption.AllDirectories);
        System.Array.Sort(files, StringComparer.Ordinal);
        WriteTar("train-08.tar", files[..2]);
        WriteTar("train-09.tar", files[2..5]);
        WriteTar("train-10.tar", files[5..]);

        string weights = Weights(Pictures($"images {{ path = \"{images}\" }}"));
        string predictions = Predictions();
        foreach (string name in new[] { "train-{08..10}.tar", "train-*.tar" })
        {
            Assert.Equal(weights, Weights(
                Pictures($"tar-shards {{ files = \"{_scratch[name]}\" }}")));
            Assert.Equal(predictions, Predictions());
        }

        string Predictions() => CommandRun.Succeeds(
            "predict", Path.Combine(_scratch["run"], "model.bpm"), Path.Combine(images, "flat"),
            "--json").Output;
    }

    [Fact]
    public void What_of_a_run_cannot_be_converted_is_refused()
    {
        string run = _scratch.Write("run.conf", ShortRun("concrete"));
        string folder = _scratch["folder"];
        CommandRun.Fails(
            ExitCode.Mistake, "its targets are values, where a member of an archive holds a class",
            "data", "convert", run, folder, "--to", "tar-shards");
        CommandRun.Fails(
            ExitCode.Mistake, "the run has no validation data of its own",
            "data", "convert", run, folder, "--part", "validation");
        CommandRun.Fails(
            ExitCode.Mistake, "are for a specification (.conf)",
            "data", "convert", Iris, folder, "--to", "numpy");
        CommandRun.Fails(
            ExitCode.Mistake, "--shard-samples must be at least 1",
            "data", "convert", run, folder, "--shard-samples", "0");
        CommandRun.Fails(
            ExitCode.Mistake, "there is no directory",
            "data", "convert", run, Path.Combine(folder, "deep", "er"));
        string gaps = _scratch.Write("gaps.csv", "a,b,c\n1,2,x\nNA,3,y\n");
        string other = _scratch.Write("gaps.conf", ShortRun("concrete")
            + "\ndata.train = null\n"
            + $"data.train {{ csv {{ files = \"{gaps}\", missing = mean"
            + ", target { class { column = c } } } }");
        CommandRun.Fails(
            ExitCode.Mistake, "sample 1: feature 0 is missing", "data", "convert", other, folder);
        Assert.Empty(Directory.GetFiles(folder));
    }

    // The other run holds the same samples out by itself.
    [Fact]
    public void A_split_is_that_of_a_run_of_the_same_seed()
    {
        string[] parts = [_scratch["left.csv"], _scratch["held.jsonl"]];
        JsonElement files = Json(
            "data", "split", Iris, parts[0], parts[1], "--seed", "7", "--stratified", "class")
            .GetProperty("files");
        Assert.Equal(
            [120, 30], files.EnumerateArray().Select(file => file.GetProperty("rows").GetInt32()));

        string split = Short(Iris) + "\ndata.validation { fraction = 0.2, stratified = true }";
        string given = Short(parts[0])
            + $"\ndata.validation {{ json-lines {{ files = \"{parts[1]}\" }} }}";
        Assert.Equal(Weights(split), Weights(given));
    }

    [Fact]
    public void What_cannot_be_done_is_refused_and_leaves_nothing()
    {
        string table = _scratch.Write("mixed.csv", Mixed);
        string lines = _scratch.Write("lines.jsonl", "{\"a\": \"x\\ny\", \"b\": 1}\n");
        string output = _scratch["out.csv"];
        CommandRun.Fails(
            ExitCode.Mistake, "is the table itself", "data", "convert", table, table);
        CommandRun.Fails(
            ExitCode.Mistake, "has a line break", "data", "convert", lines, output);
        CommandRun.Fails(
            ExitCode.Mistake, "there is no such file", "data", "inspect", _scratch["nowhere.csv"]);
        CommandRun.Fails(
            ExitCode.Mistake, "--fraction must lie between 0 and 1",
            "data", "split", table, output, _scratch["b.csv"], "--fraction", "1");
        CommandRun.Fails(
            ExitCode.Mistake, "there is no column 'colour'",
            "data", "split", table, output, _scratch["b.csv"], "--stratified", "colour");
        CommandRun.Fails(
            ExitCode.Mistake, "to the same file", "data", "split", table, output, output);
        CommandRun.Fails(
            ExitCode.Mistake, "--delimiter must be one ASCII character",
            "data", "inspect", table, "--delimiter", "ab");
        Assert.False(File.Exists(output));
        Assert.Equal(2, Directory.GetFiles(_scratch.Path).Length);
    }

    private static string Short(string file) =>
        Specifications.Iris("softmax-cross-entropy", file).Replace("epochs = 60", "epochs = 3");

    private static string Pictures(string source) => $$"""
        name = pictures, seed = 5
        data { train { {{source}} }, normalize = unit, augment = [{ flip { probability = 0.5 } }] }
        model = [{ flatten {} }, { dense { units = 2 } }]
        loss = softmax-cross-entropy
        optimizer { sgd { learning-rate = 0.1 } }
        batch-size = 4, micro-batches = 2, epochs = 3
        """;

    private void WriteTar(string name, string[] images)
    {
        using FileStream file = File.Create(_scratch[name]);
        using var writer = new TarWriter(file, TarEntryFormat.Pax);
        foreach (string image in images)
        {
            string label = Path.GetFileName(Path.GetDirectoryName(image)!);
            string key = $"./{label}-{Path.GetFileName(image)}";
            writer.WriteEntry(image, key);
            writer.WriteEntry(new PaxTarEntry(
                TarEntryType.RegularFile, Path.ChangeExtension(key, ".cls"))
            {
                DataStream = new MemoryStream(Encoding.UTF8.GetBytes(label)),
            });
        }
    }

    private static string ShortRun(string name) => Regex.Replace(
        File.ReadAllText(Path.Combine(CommandRun.Root, "hocon", "runs", name + ".conf")),
        "epochs = [0-9]+", "epochs = 2");

    private static string[] PartDigests(string specification) =>
    [
        .. Json("data", "inspect", specification).GetProperty("parts").EnumerateArray()
            .Select(part => part.GetProperty("sha256").GetString()!),
    ];

    private static JsonElement Json(params string[] arguments)
    {
        using var document = JsonDocument.Parse(
            CommandRun.Succeeds([.. arguments, "--json"]).Output);
        return document.RootElement.Clone();
    }

    private string Weights(string specification)
    {
        string file = _scratch.Write("run.conf", specification);
        CommandRun.Succeeds("train", file, "--restart", "--output", _scratch["run"]);
        return CommandRun.Weights(_scratch["run"]);
    }
}
