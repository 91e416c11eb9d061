using System.Text.Json;
using Backprop.Data.Tensors;
using Backprop.Models;

namespace Backprop.Console.Tests.Commands;

/// <summary>Trained networks that go elsewhere and come back: <c>export</c>, the library, and
/// <c>initial-weights</c>.</summary>
public sealed class InterchangeTests : IDisposable
{
    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void The_library_predicts_what_the_command_does()
    {
        string model = Train("iris", Specifications.Iris("softmax-cross-entropy"));
        string[] lines = CommandRun
            .Succeeds("predict", model, "data/tables/iris.csv", "--json").Output
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        using var loaded = Model.Load(model);
        float[][] rows =
        [
            .. File.ReadLines(Path.Combine(CommandRun.Root, "data", "tables", "iris.csv")).Skip(1)
                .Select(line => line.Split(',')[..4].Select(float.Parse).ToArray()),
        ];
        for (int i = 0; i < rows.Length; i++)
        {
            Prediction mine = loaded.Predict(rows[i]);
            JsonElement told = JsonDocument.Parse(lines[i]).RootElement;
            Assert.Equal(told.GetProperty("class").GetString(), mine.Class);
            Assert.Equal(told.GetProperty("probability").GetDouble(), mine.Probability);
            Assert.Equal(
                told.GetProperty("probabilities").EnumerateObject()
                    .Select(p => new NamedValue(p.Name, p.Value.GetDouble())),
                mine.Values.AsEnumerable());
        }
    }

    [Theory]
    [InlineData("safetensors")]
    [InlineData("onnx")]
    [InlineData("npz")]
    public void A_model_is_exported_beside_itself_or_where_it_is_told(string format)
    {
        string model = Train("moons", Specifications.Moons);
        string output = CommandRun.Succeeds("export", model, "--format", format).Output;
        string beside = Path.ChangeExtension(model, format);
        Assert.Equal($"wrote {beside}\n", output);
        string other = _scratch["other"];
        CommandRun.Succeeds("export", model, "--format", format, "--output", other);
        Assert.Equal(File.ReadAllBytes(beside), File.ReadAllBytes(other));
        CommandRun.Fails(
            ExitCode.Mistake, "is the model itself", "export", model, "--output", model);
    }

    [Fact]
    public void A_llama_leaves_by_Hugging_Faces_names_and_comes_back_as_a_model_and_as_a_start()
    {
        string model = Train("llama", Llama());
        string start = Path.ChangeExtension(model, "safetensors");
        string described = Path.Combine(_scratch["llama"], "config.json");
        Assert.Equal(
            $"wrote {start}\nwrote {described}\n",
            CommandRun.Succeeds("export", model, "--names", "hugging-face").Output);
        JsonElement configuration = JsonDocument.Parse(File.ReadAllText(described)).RootElement;
        Assert.Equal(
            "LlamaForCausalLM", configuration.GetProperty("architectures")[0].GetString());
        Assert.Equal(
            CommandRun.Succeeds("evaluate", model).Output,
            CommandRun.Succeeds("evaluate", start).Output);
        string tuned = Llama().Replace("0.01", "1e-30") + "\ninitial-weights { safetensors = "
            + $"\"{start}\", names = hugging-face }}\n";
        Assert.Contains(
            $"{start} by Hugging Face's names",
            CommandRun.Succeeds("describe", _scratch.Write("d.conf", tuned)).Output);
        Train("still", tuned);
        Assert.Equal(
            CommandRun.Weights(_scratch["llama"]), CommandRun.Weights(_scratch["still"]));
    }

    [Fact]
    public void Names_that_a_model_cannot_have_are_refused_and_nothing_is_written()
    {
        string model = Train("moons", Specifications.Moons);
        CommandRun.Fails(
            ExitCode.Mistake, "layer 'dense1' is of the kind dense, where LlamaForCausalLM has",
            "export", model, "--names", "hugging-face");
        CommandRun.Fails(
            ExitCode.Mistake, "leave --names out", "export", model, "--names", "hugging-face",
            "--format", "onnx");
        CommandRun.Fails(
            ExitCode.Mistake, "configuration is written", "export", model, "--names",
            "hugging-face", "--output", Path.Combine(_scratch["moons"], "config.json"));
        Assert.False(File.Exists(Path.ChangeExtension(model, "safetensors")));
        Assert.False(File.Exists(Path.Combine(_scratch["moons"], "config.json")));
        string named = _scratch.Write("named.conf", Tuned(Exported()).Replace(
            "except = [head]", "names = hugging-face"));
        CommandRun.Fails(
            ExitCode.Mistake, "initial-weights: layer 'body' is of the kind dense", "train", named,
            "--output", _scratch["run"]);
    }

    [Fact]
    public void An_exported_file_is_evaluated_like_the_model()
    {
        string model = Train("moons", Specifications.Moons);
        CommandRun.Succeeds("export", model);
        Assert.Equal(
            CommandRun.Succeeds("evaluate", model).Output,
            CommandRun.Succeeds("evaluate", Path.ChangeExtension(model, "safetensors")).Output);
    }

    [Fact]
    public void A_run_that_begins_with_imported_weights_has_one_result_on_any_cluster()
    {
        string start = Exported();
        string tuned = _scratch.Write("tuned.conf", Tuned(start));
        string single = _scratch["single"], cluster = _scratch["cluster"];
        CommandRun.Succeeds("train", tuned, "--output", single);
        CommandRun.Succeeds(
            "train", tuned, "--workers", "3", "--parameter-servers", "2", "--output", cluster);
        JsonElement mine = CommandRun.Summary(cluster), oracle = CommandRun.Summary(single);
        foreach (string key in (string[])["weights-sha256", "state-sha256", "losses", "history"])
        {
            Assert.Equal(oracle.GetProperty(key).ToString(), mine.GetProperty(key).ToString());
        }

        Assert.Equal(
            File.ReadAllBytes($"{single}/digests.bin"),
            File.ReadAllBytes($"{cluster}/digests.bin"));
    }

    [Fact]
    public void Frozen_layers_keep_what_was_imported_and_a_new_head_has_its_initializer()
    {
        string start = Exported();
        string body = Tensor(start, "body.weight"), head = Tensor(start, "head.weight");
        Assert.Contains(
            $"{start}, except head",
            CommandRun.Succeeds("describe", _scratch.Write("d.conf", Tuned(start))).Output);
        string tuned = Train("tuned", Tuned(start));
        CommandRun.Succeeds("export", tuned);
        string after = Path.ChangeExtension(tuned, "safetensors");
        Assert.Equal(body, Tensor(after, "body.weight"));
        Assert.NotEqual(head, Tensor(after, "head.weight"));

        // The run's own first weights: one that trains nothing has them at its end.
        string still = Train("still", Tuned(start).Replace("0.01", "1e-30"));
        string anew = Train("anew", Tuned(start).Replace("0.01", "1e-30")
            .Replace($"initial-weights {{ safetensors = \"{start}\", except = [head] }}", ""));
        CommandRun.Succeeds("export", still);
        CommandRun.Succeeds("export", anew);
        string first = Path.ChangeExtension(still, "safetensors");
        string other = Path.ChangeExtension(anew, "safetensors");
        Assert.Equal(Tensor(other, "head.weight"), Tensor(first, "head.weight"));
        Assert.NotEqual(Tensor(other, "body.weight"), Tensor(first, "body.weight"));
    }

    /// <summary>A body of each kind, every layer of which is frozen where T stands; its data.
    /// </summary>
    private static readonly Dictionary<string, (string Data, string Body)> s_bodies = new()
    {
        ["convolutional"] = (
            "train { generated { moons { samples = 80, noise = 0.1, seed = 1 } } }",
            """
            { reshape = [2, 1] }
            { convolution-1d { filters = 6, kernel = 2, padding = same, name = conv, T } }
            { batch-normalization { name = norm, T } }
            { relu {} }
            { flatten {} }
            """),
        ["transformer"] = (
            "train { text { path = data/text/moby-dick.txt, length = 8, to = 0.001 } }",
            """
            { embedding { vocabulary = 46, width = 8, name = tokens, T } }
            { positional-encoding { positions = learned, name = places, T } }
            { residual { name = attend, layers = [
              { layer-normalization { T } }, { attention { heads = 2, T } }
            ] } }
            { residual { name = feed, layers = [
              { rms-normalization { T } }, { swiglu { units = 12, T } }
            ] } }
            """),
    };

    [Theory]
    [InlineData("convolutional", 2)]
    [InlineData("transformer", 46)]
    public void A_frozen_body_stays_as_imported_to_the_bit_while_its_new_head_learns(
        string kind, int classes)
    {
        (string data, string body) = s_bodies[kind];
        string model = Train("base", Transfer("trainable = true", seed: 3, ""));
        CommandRun.Succeeds("export", model);
        string start = Path.ChangeExtension(model, "safetensors");
        string tuned = _scratch.Write("tuned.conf", Transfer(
            "trainable = false", seed: 4,
            $"initial-weights {{ safetensors = \"{start}\", except = [head] }}"));
        string single = _scratch["single"], cluster = _scratch["cluster"];
        CommandRun.Succeeds("train", tuned, "--output", single);
        CommandRun.Succeeds("train", tuned, "--workers", "2", "--output", cluster);
        Assert.Equal(CommandRun.Weights(single), CommandRun.Weights(cluster));
        CommandRun.Succeeds("export", $"{single}/model.bpm");
        using var before = SafetensorsFile.Open(start);
        using var after = SafetensorsFile.Open($"{single}/model.safetensors");
        Assert.Equal(before.Names.Order(), after.Names.Order());
        foreach (string name in before.Names)
        {
            bool isHead = name.StartsWith("head.", StringComparison.Ordinal);
            Assert.Equal(!isHead, Tensor(before, name) == Tensor(after, name));
        }

        JsonElement[] history =
            [.. CommandRun.Summary(single).GetProperty("history").EnumerateArray()];
        Assert.True(
            LossOf(history[^1]) < LossOf(history[0]),
            $"{LossOf(history[0])} at first, {LossOf(history[^1])} at last");

        string Transfer(string trainable, int seed, string more) => $$"""
            name = transfer
            seed = {{seed}}
            data { {{data}} }
            model = [
            {{body.Replace("T }", $"{trainable} }}", StringComparison.Ordinal)}}
              { dense { units = {{classes}}, name = head } }
            ]
            loss = softmax-cross-entropy
            optimizer { adam { learning-rate = 0.01 } }
            batch-size = 20, micro-batches = 4, epochs = 3
            {{more}}
            """;

        static double LossOf(JsonElement epoch) => epoch.GetProperty("training-loss").GetDouble();
    }

    [Fact]
    public void A_start_in_several_files_is_that_of_the_one()
    {
        string start = Exported();
        using (var whole = SafetensorsFile.Open(start))
        {
            Part(whole, "part-1.safetensors", "body.weight");
            Part(whole, "part-2.safetensors", "body.bias");
        }

        string index = _scratch.Write("model.safetensors.index.json", """
            {"weight_map": {
              "body.weight": "part-1.safetensors", "body.bias": "part-2.safetensors"}}
            """);
        Train("one", Tuned(start));
        Train("several", Tuned(index));
        Assert.Equal(
            CommandRun.Weights(_scratch["one"]), CommandRun.Weights(_scratch["several"]));
    }

    [Fact]
    public void A_run_does_not_go_on_with_another_start()
    {
        string start = Exported();
        string tuned = _scratch.Write("tuned.conf", Tuned(start));
        CommandRun.Succeeds("train", tuned, "--output", _scratch["run"]);
        Change(start);
        CommandRun.Fails(
            ExitCode.Failure, "initial-weights: sha256", "train", tuned, "--resume", "--output",
            _scratch["run"]);
    }

    [Fact]
    public void A_start_that_does_not_suit_is_refused_with_every_mistake()
    {
        string start = Exported();
        string wrong = _scratch.Write("wrong.conf", Tuned(start)
            .Replace(", except = [head]", "").Replace("units = 8", "units = 9"));
        CommandRun refused = CommandRun.Of("train", wrong, "--output", _scratch["run"]);
        Assert.Equal(ExitCode.Mistake, refused.ExitCode);
        Assert.Contains(
            "initial-weights: 'body.weight' of ", refused.Error);
        Assert.Contains("is of shape [8, 2], where the network has [9, 2]", refused.Error);
        Assert.Contains("'head.weight' of ", refused.Error);

        string stranger = _scratch.Write(
            "stranger.conf", Tuned(start).Replace("[head]", "[haed]"));
        CommandRun.Fails(
            ExitCode.Mistake, "'except' names 'haed'", "train", stranger, "--output",
            _scratch["run"]);
        string missing = _scratch.Write(
            "missing.conf", Tuned(_scratch["nowhere.safetensors"]));
        CommandRun.Fails(
            ExitCode.Mistake, "there is no such file", "train", missing, "--output",
            _scratch["run"]);
    }

    private static string Llama() => """
        name = llama
        seed = 5
        data { train { text { path = data/text/moby-dick.txt, length = 8, to = 0.001 } } }
        model = [
          { embedding { vocabulary = 46, width = 8, name = tokens } }
          { residual = [
            { rms-normalization {} }
            { attention { heads = 2, key-value-heads = 1, rotary = true, bias = false } }
          ] }
          { residual = [ { rms-normalization {} }, { swiglu { units = 12 } } ] }
          { rms-normalization {} }
          { dense { units = 46, tie = tokens } }
        ]
        loss = softmax-cross-entropy
        optimizer { sgd { learning-rate = 0.01 } }
        batch-size = 20, micro-batches = 4, epochs = 1
        """;

    private static string Named => Specifications.Moons
        .Replace("units = 8, activation = tanh", "units = 8, activation = tanh, name = body")
        .Replace("dense { units = 2 }", "dense { units = 2, name = head }");

    private static string Tuned(string start) => Named
        .Replace("name = body", "name = body, trainable = false")
        .Replace("checkpoint { every-steps = 20 }", "")
        .Replace("seed = 3", "seed = 4")
        + $"\ninitial-weights {{ safetensors = \"{start}\", except = [head] }}\n";

    private string Exported()
    {
        string model = Train("base", Named);
        CommandRun.Succeeds("export", model);
        return Path.ChangeExtension(model, "safetensors");
    }

    private string Train(string name, string specification)
    {
        string run = _scratch.Write($"{name}.conf", specification);
        CommandRun.Succeeds("train", run, "--output", _scratch[name]);
        return Path.Combine(_scratch[name], "model.bpm");
    }

    private void Part(SafetensorsFile whole, string file, string name)
    {
        TensorEntry entry = whole.Find(name)!;
        var values = new float[entry.Bytes / sizeof(float)];
        whole.Read(name, values);
        using FileStream stream = File.Create(_scratch[file]);
        SafetensorsWriter.Write(
            [new WrittenTensor(name, [.. entry.Shape.Select(d => (int)d)], () => values)],
            new Dictionary<string, string>(), stream);
    }

    private static string Tensor(string file, string name)
    {
        using var tensors = SafetensorsFile.Open(file);
        return Tensor(tensors, name);
    }

    private static string Tensor(SafetensorsFile tensors, string name)
    {
        var values = new float[tensors.Find(name)!.Bytes / sizeof(float)];
        tensors.Read(name, values);
        return string.Join(' ', values);
    }

    // The last bit of a mantissa, of the first tensor.
    private static void Change(string file)
    {
        byte[] bytes = File.ReadAllBytes(file);
        using (var tensors = SafetensorsFile.Open(file))
        {
            bytes[tensors.Find("body.weight")!.Offset] ^= 1;
        }

        File.WriteAllBytes(file, bytes);
    }
}
