using System.Text.Json;
using System.Text.Json.Nodes;
using Backprop.Console.Writing;
using Backprop.Models;

namespace Backprop.Console.Tests.Commands;

/// <summary><c>backprop generate</c>.</summary>
public sealed class GenerateCommandTests : IDisposable
{
    // It can only be learned by heart: after each letter comes the next.
    private const string Alphabet = "abcdefghijklmnop";

    private readonly ScratchDirectory _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public void A_text_that_was_learned_by_heart_is_gone_on_with()
    {
        string model = Train("""{ attention { heads = 2 } }""");
        string text = CommandRun.Succeeds(
            "generate", model, "--prompt", "cde", "--length", "40", "--temperature", "0").Output;
        string all = string.Concat(Enumerable.Repeat(Alphabet, 4));
        Assert.Equal(all.Substring(2, 43), text.TrimEnd('\r', '\n'));
    }

    [Fact]
    public void The_same_command_writes_the_same_text_and_another_seed_another()
    {
        string model = Train("""{ lstm { units = 8 } }, { dense { units = 8 } }""", steps: 1);
        string[] command =
            ["generate", model, "--prompt", "a", "--length", "60", "--seed"];
        string first = CommandRun.Succeeds([.. command, "1", "--threads", "1"]).Output;
        Assert.Equal(first, CommandRun.Succeeds([.. command, "1", "--threads", "2"]).Output);
        Assert.NotEqual(first, CommandRun.Succeeds([.. command, "2"]).Output);
        using JsonDocument json =
            JsonDocument.Parse(CommandRun.Succeeds([.. command, "1", "--json"]).Output);
        Assert.Equal(
            first.TrimEnd('\r', '\n'), "a" + json.RootElement.GetProperty("text").GetString());
    }

    // The vocabulary is the model's own: the text that it was found in is gone.
    [Fact]
    public void A_network_that_writes_byte_pairs_decodes_them()
    {
        const string Sentence = " the low tide, the lower tide; grün ist das Gras.";
        string text = _scratch.Write(
            "text", string.Concat(Enumerable.Repeat(Sentence, 150)));
        string specification = _scratch.Write("text.conf", $$"""
            name = text
            seed = 1
            data { train { text {
              path = "{{text}}", length = 8, stride = 3, tokens { byte-pairs { size = 280 } }
            } } }
            model = [
              { embedding { vocabulary = 280, width = 16 } }
              { positional-encoding = learned }
              { residual = [ { attention { heads = 2 } } ] }
              { dense { units = 280 } }
            ]
            loss = softmax-cross-entropy
            optimizer { adam { learning-rate = 1e-2 } }
            batch-size = 16, epochs = 100
            stop { max-steps = 300 }
            """);
        CommandRun.Succeeds("train", specification, "--output", _scratch["run"]);
        File.Delete(text);

        string written = CommandRun.Succeeds(
            "generate", Path.Combine(_scratch["run"], "model.bpm"), "--prompt",
            " the low tide, the", "--length", "24", "--temperature", "0")
            .Output.TrimEnd('\r', '\n');

        Assert.StartsWith(Sentence, written);
        Assert.StartsWith(written[Sentence.Length..], string.Concat(Sentence, Sentence));

        // What is seen on the way is whole characters, and in the end the same.
        var parts = new List<string>();
        using var model = Model.Load(Path.Combine(_scratch["run"], "model.bpm"));
        string all = TextGenerator.Generate(
            model, new GenerationOptions(" the low tide, the", 24, 0, 0), 1, parts.Add);
        Assert.Equal(written, " the low tide, the" + all);
        Assert.Equal(all, string.Concat(parts));
        Assert.InRange(parts.Count, 10, 25);
        Assert.DoesNotContain(parts, part => part.Contains('\uFFFD'));
    }

    // The newest checkpoint is that of the last step, and so writes what the model does; an earlier
    // one has learned less.
    [Fact]
    public void A_run_writes_from_its_checkpoints()
    {
        string model = Train(
            "{ attention { heads = 2 } }", more: "checkpoint { every-steps = 100 }");
        string run = _scratch["run"];
        string[] rest = ["--prompt", "cde", "--length", "60"];
        string last = CommandRun.Succeeds(["generate", model, .. rest]).Output;
        File.Delete(model);
        Assert.Equal(last, CommandRun.Succeeds(["generate", run, .. rest]).Output);
        Assert.NotEqual(
            last, CommandRun.Succeeds(["generate", run, "--step", "299", .. rest]).Output);
        CommandRun.Fails(
            ExitCode.Mistake, "has no checkpoint at or before step 3", "generate", run, "--step",
            "3");
        CommandRun.Fails(
            ExitCode.Mistake, "is no directory of a run", "generate", _scratch[""]);
        CommandRun.Fails(ExitCode.Mistake, "--step counts from 0", "generate", run, "--step", "-1");
        File.Delete(_scratch["text"]);
        CommandRun.Fails(ExitCode.Mistake, "there is no such file", "generate", run);
    }

    [Fact]
    public async Task A_run_of_a_cluster_writes_from_its_checkpoints()
    {
        await using ServedCluster cluster = await ServedCluster.StartAsync();
        string model = Train("{ attention { heads = 2 } }", steps: 40);
        string[] rest = ["--prompt", "ab", "--length", "30"];
        string here = CommandRun.Succeeds(["generate", model, .. rest]).Output;
        cluster.Run("submit", _scratch["text.conf"], "--watch");
        Assert.Equal(here, cluster.Run(["generate", "latest", .. rest]).Output);
        Assert.Contains(
            "there is no run 'nobody'", cluster.Run("generate", "nobody").Error,
            StringComparison.Ordinal);
    }

    // What the file says of merges and blanks is the model's own, and a cluster's workers have it.
    [Fact]
    public void A_network_writes_by_a_tokenizer_of_Llamas_kind_whose_file_is_gone()
    {
        JsonNode tokenizer = JsonNode.Parse(File.ReadAllText(Path.Combine(
            CommandRun.Root, "tests", "Backprop.Data.Tests", "Fixtures", "tokenizers.json")))!
            .AsArray().Single(one => (string)one!["name"]! == "llama-2")!["tokenizer"]!;
        string file = _scratch.Write("tokenizer.json", tokenizer.ToJsonString());
        string text = _scratch.Write(
            "text", string.Concat(Enumerable.Repeat("the low tide, the lower tide. ", 100)));
        int tokens = 1 + tokenizer["model"]!["vocab"]!.AsObject().Count;
        string specification = _scratch.Write("text.conf", $$"""
            name = text
            seed = 1
            data { train { text {
              path = "{{text}}", length = 8, tokens { byte-pairs { vocabulary = "{{file}}" } }
            } } }
            data.validation = ${data.train}
            model = [
              { embedding { vocabulary = {{tokens}}, width = 8 } }
              { residual = [ { attention { heads = 2 } } ] }
              { dense { units = {{tokens}} } }
            ]
            loss = softmax-cross-entropy
            optimizer { adam { learning-rate = 1e-2 } }
            batch-size = 16, micro-batches = 4, epochs = 100
            stop { max-steps = 60 }
            """);
        string single = _scratch["single"], cluster = _scratch["cluster"];
        CommandRun.Succeeds("train", specification, "--output", single);
        CommandRun.Succeeds("train", specification, "--workers", "2", "--output", cluster);
        Assert.Equal(CommandRun.Weights(single), CommandRun.Weights(cluster));
        File.Delete(file);
        string[] rest = ["--prompt", "the low", "--length", "12", "--temperature", "0"];
        string written = CommandRun.Succeeds(
            ["generate", Path.Combine(single, "model.bpm"), .. rest]).Output;
        Assert.StartsWith("the low tide", written);
        Assert.Equal(written, CommandRun.Succeeds(
            ["generate", Path.Combine(cluster, "model.bpm"), .. rest]).Output);
    }

    [Fact]
    public void What_cannot_write_is_refused()
    {
        string model = Train("""{ attention { heads = 2 } }""", steps: 1);
        CommandRun.Fails(
            ExitCode.Mistake, "'é' does not occur in the text that the network was trained on",
            "generate", model, "--prompt", "aé");
        CommandRun.Fails(
            ExitCode.Mistake, "give at least one character", "generate", model, "--prompt", "");
        CommandRun.Fails(
            ExitCode.Mistake, "--length is 0", "generate", model, "--length", "0");
        CommandRun.Fails(
            ExitCode.Mistake, "--temperature must be", "generate", model, "--temperature", "-1");
        CommandRun.Fails(
            ExitCode.Mistake, "backprop generate", "predict", model, _scratch["text"]);
        string ahead = Train("""{ attention { heads = 2, causal = false } }""", steps: 1);
        CommandRun.Fails(
            ExitCode.Mistake, "layer 'residual1.attention1' looks ahead", "generate", ahead,
            "--prompt", "a");
    }

    [Fact]
    public void Tokens_are_drawn_as_often_as_they_are_probable()
    {
        // Probabilities 1/6, 1/3 and 1/2.
        float[] logits = [0, MathF.Log(2), MathF.Log(3)];
        var sampler = new TokenSampler(seed: 5, temperature: 1);
        var careful = new TokenSampler(seed: 5, temperature: 0.01);
        var counts = new int[3];
        for (ulong place = 0; place < 6000; place++)
        {
            counts[sampler.Draw(logits, place)]++;
            Assert.Equal(2, careful.Draw(logits, place));
        }

        Assert.InRange(counts[0], 900, 1100);
        Assert.InRange(counts[1], 1900, 2100);
        Assert.InRange(counts[2], 2850, 3150);
    }

    private string Train(string layers, int steps = 300, string more = "")
    {
        string text = _scratch.Write(
            "text", string.Concat(Enumerable.Repeat(Alphabet, 120)));
        string specification = _scratch.Write("text.conf", $$"""
            name = text
            seed = 1
            data { train { text { path = "{{text}}", length = 12, stride = 5 } } }
            model = [
              { embedding { vocabulary = 17, width = 8 } }
              { positional-encoding = learned }
              { residual = [ {{layers}} ] }
              { dense { units = 17 } }
            ]
            loss = softmax-cross-entropy
            optimizer { adam { learning-rate = 1e-2 } }
            batch-size = 16
            epochs = 100
            stop { max-steps = {{steps}} }
            {{more}}
            """);
        CommandRun.Succeeds("train", specification, "--restart", "--output", _scratch["run"]);
        return Path.Combine(_scratch["run"], "model.bpm");
    }
}
