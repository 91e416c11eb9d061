using System.Text.Json;
using System.Text.Json.Nodes;
using Backprop.Data;
using Backprop.Data.Tensors;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Tests.Shared;
using Backprop.Training.Interchange;
using Backprop.Training.Specification;
using Backprop.Training.Tests.Interchange;

namespace Backprop.Models.Tests;

/// <summary>Models of Hugging Face's library, by its names and layouts:
/// tools/fixtures/hugging_face.py.</summary>
public sealed class HuggingFaceTests : IDisposable
{
    private const StringComparison Ordinal = StringComparison.Ordinal;

    private readonly string _directory =
        Directory.CreateTempSubdirectory("backprop-names-").FullName;

    public static TheoryData<string> Fixtures =>
        ["llama", "llama-grouped", "llama-biases", "gpt2", "gpt2-untied"];

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void A_checkpoint_gives_the_librarys_logits(string name)
    {
        using ITensorFile file = ModelFixture.TensorsOf(name);
        AssertLogits(name, file);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void An_exported_model_has_the_librarys_tensors_bit_for_bit(string name)
    {
        using ITensorFile original = ModelFixture.TensorsOf(name);
        using Model model = ModelOf(name, original);
        string path = Export(model);
        using var exported = SafetensorsFile.Open(path);

        // Buffers, which older versions saved, are none of a model's parameters.
        string[] saved = [.. original.Names.Where(n => !n.EndsWith("inv_freq", Ordinal))];
        Assert.Equal(saved.Order(), exported.Names.Order());
        foreach (string tensor in saved)
        {
            Assert.Equal(
                original.Find(tensor)!.Shape.AsEnumerable(), exported.Find(tensor)!.Shape);
            Assert.Equal(Values(original, tensor), Values(exported, tensor));
        }

        using var back = Model.Load(path);
        Assert.Equal(model.Members[0].Span.ToArray(), back.Members[0].Span.ToArray());
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void The_configuration_is_the_librarys(string name)
    {
        using ITensorFile file = ModelFixture.TensorsOf(name);
        using Model model = ModelOf(name, file);
        JsonNode written = JsonNode.Parse(ModelExport.HuggingFaceConfiguration(model))!;
        foreach ((string key, JsonNode? value) in CaseOf(name).Config)
        {
            Assert.True(
                JsonNode.DeepEquals(value, written[key]),
                $"{key}: {written[key]?.ToJsonString()} where there is {value?.ToJsonString()}");
        }

        // The library supposes tokens of its own where the file says nothing.
        Assert.True(written.AsObject().ContainsKey("eos_token_id"));
        Assert.Null(written["eos_token_id"]);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void A_configuration_of_the_same_network_may_lie_beside_a_checkpoint(string name)
    {
        using SafetensorsFile file = OnDisk(name, CaseOf(name).Config.ToJsonString());
        AssertLogits(name, file);
    }

    [Theory]
    [InlineData("llama", "num_attention_heads", "8", "num_attention_heads = 8, where the network")]
    [InlineData("llama", "num_key_value_heads", "2", "2, where the network has 4")]
    [InlineData("llama", "hidden_act", "\"gelu\"", "\"gelu\", where the network has \"silu\"")]
    [InlineData("llama", "rms_norm_eps", "1e-05", "1e-05, where the network has 1E-06")]
    [InlineData("llama", "rope_theta", "500000.0", "500000.0, where the network has 10000")]
    [InlineData(
        "llama", "rope_parameters", "{ \"rope_theta\": 5.0 }", "rope_parameters.rope_theta = 5.0")]
    [InlineData(
        "llama", "rope_scaling", "{ \"type\": \"linear\" }", "rope_scaling.type = \"linear\"")]
    [InlineData("llama", "attention_bias", "true", "true, where the network has false")]
    [InlineData("gpt2", "n_head", "2", "n_head = 2, where the network has 4")]
    [InlineData("gpt2", "activation_function", "\"gelu\"", "where the network has \"gelu_new\"")]
    [InlineData("gpt2", "scale_attn_by_inverse_layer_idx", "true", "layer_idx = true, where")]
    public void A_configuration_of_another_network_is_told_of(
        string name, string key, string value, string message)
    {
        JsonObject config = CaseOf(name).Config;
        config[key] = JsonNode.Parse(value);
        using SafetensorsFile file = OnDisk(name, config.ToJsonString());
        var refused = Assert.Throws<SpecificationException>(() => Import(name, file));
        Assert.Contains(
            $"config.json beside {file.Source} has ", refused.Errors.Single().Message);
        Assert.Contains(message, refused.Message);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("")]
    public void A_configuration_that_is_none_is_refused(string text)
    {
        using SafetensorsFile file = OnDisk("llama", text);
        var refused = Assert.Throws<InvalidDatasetException>(() => Import("llama", file));
        Assert.Contains("config.json", refused.Message);
    }

    [Fact]
    public void Whatever_is_made_of_a_checkpoint_it_is_read_or_refused_with_its_name()
    {
        using ITensorFile file = ModelFixture.TensorsOf("llama");
        using Model model = ModelOf("llama", file);
        string path = Export(model);
        byte[] original = File.ReadAllBytes(path);
        for (int seed = 0; seed < 200; seed++)
        {
            File.WriteAllBytes(path, Mutations.Of(original, new Random(seed)));
            try
            {
                using var changed = SafetensorsFile.Open(path);
                Import("llama", changed);
            }
            catch (Exception e) when (e is SpecificationException or InvalidDatasetException)
            {
                Assert.Contains(path, e.Message);
            }
        }
    }

    [Fact]
    public void A_checkpoint_in_several_files_is_read_by_its_index()
    {
        using ITensorFile whole = ModelFixture.TensorsOf("llama-grouped");
        string[] names = [.. whole.Names.Order(StringComparer.Ordinal)];
        var map = new Dictionary<string, string>();
        for (int shard = 0; shard < 2; shard++)
        {
            string file = $"model-0000{shard + 1}-of-00002.safetensors";
            string[] part = [.. names.Where((_, i) => i % 2 == shard)];
            using FileStream stream = File.Create(Path.Combine(_directory, file));
            SafetensorsWriter.Write(
                Written(whole, part), new Dictionary<string, string>(), stream);
            part.ToList().ForEach(name => map.Add(name, file));
        }

        string index = Path.Combine(_directory, "model.safetensors.index.json");
        File.WriteAllText(index, JsonSerializer.Serialize(
            new { metadata = new { total_size = 1 }, weight_map = map }));
        using var sharded = SafetensorsIndex.Open(index);
        AssertLogits("llama-grouped", sharded);
    }

    [Fact]
    public void What_was_saved_of_the_body_alone_has_names_without_its_word()
    {
        using ITensorFile file = ModelFixture.TensorsOf("gpt2");
        AssertLogits("gpt2", InMemory(new NamedTensors(TensorsIn(file).ToDictionary(
            tensor => tensor.Key["transformer.".Length..], tensor => tensor.Value))));
    }

    [Fact]
    public void A_file_that_has_the_tied_head_too_is_read()
    {
        using ITensorFile file = ModelFixture.TensorsOf("gpt2");
        NamedTensors both = TensorsIn(file);
        (long[] shape, float[] values) = both["transformer.wte.weight"];
        both["lm_head.weight"] = (shape, values);
        AssertLogits("gpt2", InMemory(both));
        both["lm_head.weight"] = (shape, [.. values.Select(value => value + 1)]);
        var refused = Assert.Throws<SpecificationException>(() => Import("gpt2", InMemory(both)));
        Assert.Contains("'transformer.wte.weight' and 'lm_head.weight' of", refused.Message);
    }

    [Fact]
    public void Of_more_positions_than_a_run_has_the_first_are_read()
    {
        const string Name = "transformer.wpe.weight";
        using ITensorFile file = ModelFixture.TensorsOf("gpt2");
        NamedTensors longer = TensorsIn(file);
        (long[] shape, float[] values) = longer[Name];
        longer[Name] = ([shape[0] + 2, shape[1]], [.. values, .. new float[2 * shape[1]]]);
        AssertLogits("gpt2", InMemory(longer));
        longer[Name] = ([shape[0] - 1, shape[1]], values[..^(int)shape[1]]);
        var refused =
            Assert.Throws<SpecificationException>(() => Import("gpt2", InMemory(longer)));
        Assert.Contains(
            $"'{Name}' of changed is of shape [5, 16], where the network has [6, 16]",
            refused.Errors.Single().Message);
    }

    [Fact]
    public void What_is_missing_or_of_another_shape_is_told_by_the_librarys_names()
    {
        using ITensorFile file = ModelFixture.TensorsOf("llama");
        NamedTensors wrong = TensorsIn(file);
        wrong.Remove("model.layers.1.self_attn.o_proj.weight");
        wrong["model.layers.0.mlp.gate_proj.weight"] = ([16, 12], new float[192]);
        var refused = Assert.Throws<SpecificationException>(() => Import("llama", InMemory(wrong)));
        Assert.Equal(2, refused.Errors.Length);
        Assert.Contains(
            "changed has no tensor 'model.layers.1.self_attn.o_proj.weight' [16, 16], for "
            + "'layers-2.residual1.attention1.output.weight'", refused.Message);
        Assert.Contains(
            "'model.layers.0.mlp.gate_proj.weight' of changed is of shape [16, 12], where the "
            + "network has [12, 16]", refused.Message);
    }

    [Theory]
    [InlineData(
        "{ rms-normalization { name = norm } }, { attention", "{ attention",
        "layer 'body.residual1.attention1' is of the kind attention, where LlamaForCausalLM has"
        + " an rms-normalization")]
    [InlineData(
        "{ swiglu { units = 6 } }", "{ dense { units = 8, activation = gelu } }",
        "layer 'body.residual2.dense1' is of the kind dense, where LlamaForCausalLM has a "
        + "swiglu")]
    [InlineData(
        "rotary = true", "rotary = false",
        "layer 'body.residual1.attention1' has no rotation, where LlamaForCausalLM has rotary = "
        + "true")]
    [InlineData(
        "rotary = true", "rotary = true, causal = false", "has causal = false, where")]
    [InlineData(
        "{ rms-normalization { name = tail } }", "",
        "layer 'head' is of the kind dense, where LlamaForCausalLM has an rms-normalization")]
    [InlineData(
        "{ rms-normalization { name = tail } }", "{ rms-normalization { epsilon = 0.1 } }",
        "has epsilon 0.1, and 'body.residual1.norm' 1E-05: LlamaForCausalLM has one for all "
        + "layers")]
    [InlineData(
        "bias = false, name = head", "name = head",
        "layer 'head' has a bias, where LlamaForCausalLM has none there")]
    [InlineData(
        "units = 5, bias = false, name = head", "units = 4, bias = false, name = head",
        "layer 'head' has 4 units, where LlamaForCausalLM has one for each of 5 tokens")]
    [InlineData(
        "name = head } }", "name = head } }, { softmax {} }",
        "layer 'softmax1' stands behind 'head', which is the last of LlamaForCausalLM")]
    [InlineData(
        "{ dense { units = 5, bias = false, name = head } }", "",
        "the network ends behind 'tail', where LlamaForCausalLM has a dense layer to the")]
    [InlineData(
        "{ embedding { vocabulary = 5, width = 8 } }", "{ reshape { shape = [1, 4] } }",
        "layer 'reshape1' is of the kind reshape, where LlamaForCausalLM has an embedding")]
    [InlineData(
        "width = 8 } }", "width = 8 } }, { positional-encoding { positions = learned } }",
        "layer 'body.residual1.norm' is of the kind rms-normalization, where GPT2LMHeadModel has"
        + " a layer-normalization")]
    public void A_network_of_another_architecture_is_told_where_it_differs(
        string from, string to, string message)
    {
        const string Layers = """
            { embedding { vocabulary = 5, width = 8 } }, { block { name = body, layers = [
              { residual = [
                { rms-normalization { name = norm } }, { attention { heads = 2, rotary = true } }
              ] }
              { residual = [ { rms-normalization {} }, { swiglu { units = 6 } } ] }
            ] } }
            { rms-normalization { name = tail } }
            { dense { units = 5, bias = false, name = head } }
            """;
        string changed = Layers.Replace(from, to, Ordinal);
        Assert.NotEqual(Layers, changed);
        using Model model = TrialModel.Of(changed, Shape.Of(4));
        var refused = Assert.Throws<ModelException>(() => ModelExport.Write(
            model, ExportFormat.Safetensors, Stream.Null, TensorNames.HuggingFace));
        Assert.StartsWith("the model has no names in Hugging Face's library: ", refused.Message);
        Assert.Contains(message, refused.Message);
    }

    [Fact]
    public void Neither_an_ensemble_nor_ONNX_has_the_librarys_names()
    {
        string layers = CaseOf("llama").Layers;
        using Model several = TrialModel.Of(layers, Shape.Of(6), members: 2);
        var refused = Assert.Throws<ModelException>(
            () => ModelExport.HuggingFaceConfiguration(several));
        Assert.Contains("an ensemble of 2 networks", refused.Message);
        using Model one = TrialModel.Of(layers, Shape.Of(6));
        Assert.Throws<ArgumentException>(() => ModelExport.Write(
            one, ExportFormat.Onnx, Stream.Null, TensorNames.HuggingFace));
    }

    private static void AssertLogits(string name, ITensorFile file)
    {
        Case expected = CaseOf(name);
        Network network = Import(name, file);
        using var weights = new AlignedBuffer(network.Layout.Length);
        network.InitializeWeights(1, weights);
        float[] x = [.. expected.X.SelectMany(row => row).Select(value => (float)value)];
        double[] y = [.. expected.Y.SelectMany(row => row).SelectMany(position => position)];
        float[] computed = TrialModel.Outputs(network, weights, x);
        double largest = y.Max(Math.Abs);
        Assert.Equal(y.Length, computed.Length);
        for (int i = 0; i < y.Length; i++)
        {
            Assert.True(
                Math.Abs(y[i] - computed[i]) <= 1e-5 * largest,
                $"{name}[{i}]: {computed[i]:R} where the library has {y[i]:R}");
        }
    }

    private static Network Import(string name, ITensorFile file)
    {
        Case expected = CaseOf(name);
        RunSpecification run = TrialModel.Specification(expected.Layers);
        return ImportedWeights.Read(
            RunPlanner.BuildNetwork(run, Shape.Of(expected.X[0].Length)),
            new Placed<InitialWeightsSpecification>(
                new InitialWeightsSpecification("fixture", [], TensorNames.HuggingFace),
                run.Layers[0].Place),
            file).Network;
    }

    private static Model ModelOf(string name, ITensorFile file)
    {
        Model model = TrialModel.Of(CaseOf(name).Layers, Shape.Of(CaseOf(name).X[0].Length));
        Import(name, file).InitializeWeights(1, model.Members[0]);
        return model;
    }

    // The fixture's tensors with a configuration beside them.
    private SafetensorsFile OnDisk(string name, string configuration)
    {
        File.WriteAllText(Path.Combine(_directory, "config.json"), configuration);
        using ITensorFile tensors = ModelFixture.TensorsOf(name);
        string path = Path.Combine(_directory, "model.safetensors");
        using (FileStream stream = File.Create(path))
        {
            SafetensorsWriter.Write(
                Written(tensors, tensors.Names), new Dictionary<string, string>(), stream);
        }

        return SafetensorsFile.Open(path);
    }

    private static WrittenTensor[] Written(ITensorFile file, IEnumerable<string> names) =>
    [
        .. names.Select(name => new WrittenTensor(
            name, [.. file.Find(name)!.Shape.Select(d => (int)d)], () => Values(file, name))),
    ];

    private string Export(Model model)
    {
        string path = Path.Combine(_directory, "model.safetensors");
        using FileStream stream = File.Create(path);
        ModelExport.Write(model, ExportFormat.Safetensors, stream, TensorNames.HuggingFace);
        return path;
    }

    private static TensorsInMemory InMemory(NamedTensors tensors) => new("changed", tensors);

    private static NamedTensors TensorsIn(ITensorFile file) => new(file.Names.ToDictionary(
        name => name, name => ((long[])[.. file.Find(name)!.Shape], Values(file, name))));

    private static float[] Values(ITensorFile file, string name)
    {
        var values = new float[file.Find(name)!.Shape.Aggregate(1L, (a, b) => a * b)];
        file.Read(name, values);
        return values;
    }

    private static Case CaseOf(string name) => ModelFixture.CaseOf<Case>(name);

    private sealed record Case(string Layers, JsonObject Config, double[][] X, double[][][] Y);
}
