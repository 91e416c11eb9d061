using Backprop.Data;
using Backprop.Data.Sources;
using Backprop.Data.Tensors;
using Backprop.Engine;
using Backprop.Engine.Initializers;
using Backprop.Engine.Layers;
using Backprop.Engine.Networks;
using Backprop.Training.Interchange;
using Backprop.Training.Specification;

namespace Backprop.Training.Tests.Interchange;

/// <summary>First weights from other programs' tensors, worked out by hand.</summary>
public sealed class ImportedWeightsTests
{
    private const string Run = """
        name = tuned
        data { train { inline { features = [[0, 1], [1, 0]], targets = [[0], [1]] } } }
        model = [ { dense { units = 3, name = body } }, { dense { units = 1, name = head } } ]
        initial-weights { safetensors = body.safetensors, except = [head] }
        loss = mean-squared-error
        optimizer { sgd { learning-rate = 0.1 } }
        epochs = 1
        """;

    private static readonly NamedTensors s_body = new()
    {
        ["body.weight"] = ([3, 2], [1, 2, 3, 4, 5, 6]),
        ["body.bias"] = ([3], [7, 8, 9]),
        ["other"] = ([1], [0]),
    };

    [Fact]
    public void Weights_are_transposed_and_what_is_excepted_keeps_its_initializer()
    {
        using PlannedRun planned = Plan(Run, s_body);
        float[] started = Weights(planned.Plan.Network);
        float[] usual = Weights(RunPlanner.BuildNetwork(planned.Specification, Shape.Of(2)));
        Assert.Equal([1, 3, 5, 2, 4, 6], started[..6]);
        Assert.Equal([7, 8, 9], started[16..19]);
        Assert.Equal(usual[32..], started[32..]);
        Assert.NotEqual(usual[..6], started[..6]);
    }

    [Fact]
    public void A_run_is_another_with_another_start_and_the_same_with_the_same()
    {
        string[] Identity(NamedTensors tensors)
        {
            using PlannedRun planned = Plan(Run, tensors);
            return [.. planned.Plan.DataDigests];
        }

        NamedTensors changed = new(s_body) { ["body.bias"] = ([3], [7, 8, 10]) };
        NamedTensors unread = new(s_body) { ["other"] = ([1], [5]) };
        Assert.Equal(Identity(s_body), Identity(unread));
        Assert.NotEqual(Identity(s_body), Identity(changed));
        Assert.StartsWith("initial-weights: sha256 ", Identity(s_body)[^1]);
    }

    [Fact]
    public void A_server_is_held_to_the_weights_that_the_run_was_outlined_with()
    {
        using PlannedRun planned = Plan(Run, s_body);
        Network network = RunPlanner.BuildNetwork(planned.Specification, Shape.Of(2));
        Network started = RunPlanner.Started(
            planned.Specification, planned.Outline, network, new Opener(s_body));
        Assert.Equal(Weights(planned.Plan.Network), Weights(started));
        NamedTensors changed = new(s_body) { ["body.bias"] = ([3], [7, 8, 10]) };
        var refused = Assert.Throws<InvalidDatasetException>(() => RunPlanner.Started(
            planned.Specification, planned.Outline, network, new Opener(changed)));
        Assert.Contains("body.safetensors: its weights have the SHA-256 ", refused.Message);
    }

    [Fact]
    public void Every_tensor_that_is_missing_or_of_another_shape_is_told_with_its_place()
    {
        NamedTensors wrong = new()
        {
            ["body.weight"] = ([2, 3], [1, 2, 3, 4, 5, 6]),
        };
        var refused = Assert.Throws<SpecificationException>(() => Plan(Run, wrong));
        Assert.Equal(2, refused.Errors.Length);
        Assert.All(refused.Errors, error => Assert.Equal((4, "initial-weights"),
            (error.Position.Line, error.Path)));
        Assert.Contains("of shape [2, 3], where the network has [3, 2]", refused.Message);
        Assert.Contains("no tensor 'body.bias' [3], for 'body.bias'", refused.Message);
    }

    private const string TiedRun = """
        name = tied
        data { train { inline { features = [[0, 1], [1, 0]], targets = [[0, 0], [1, 1]] } } }
        model = [
          { embedding { vocabulary = 2, width = 1, name = table } }
          { dense { units = 2, tie = table, name = head } }
          { flatten {} }
          { dense { units = 2, name = last } }
        ]
        initial-weights { safetensors = tied.safetensors, except = [last] }
        loss = mean-squared-error
        optimizer { sgd { learning-rate = 0.1 } }
        epochs = 1
        """;

    [Theory]
    [InlineData("table")]
    [InlineData("head")]
    [InlineData("table", "head")]
    public void A_tied_tensor_is_read_by_whichever_of_its_names_the_file_has(params string[] names)
    {
        NamedTensors tensors = [];
        foreach (string name in names)
        {
            tensors[$"{name}.weight"] = ([2, 1], [3, 4]);
        }

        using PlannedRun planned = Plan(TiedRun, tensors);
        Assert.Equal([3, 4], Weights(planned.Plan.Network)[..2]);
    }

    [Fact]
    public void Tied_tensors_that_differ_are_told_of()
    {
        NamedTensors differing = new()
        {
            ["table.weight"] = ([2, 1], [3, 4]), ["head.weight"] = ([2, 1], [3, 5]),
        };
        var refused = Assert.Throws<SpecificationException>(() => Plan(TiedRun, differing));
        Assert.Contains(
            "'table.weight' and 'head.weight' of tied.safetensors differ", refused.Message);
        refused = Assert.Throws<SpecificationException>(() => Plan(TiedRun, []));
        Assert.Contains("no tensor 'table.weight' [2, 1]", refused.Errors.Single().Message);
    }

    [Fact]
    public void A_network_that_Hugging_Face_has_no_names_for_is_refused_at_its_place()
    {
        string named = Run.Replace("except = [head]", "names = hugging-face");
        var refused = Assert.Throws<SpecificationException>(() => Plan(named, s_body));
        Assert.Equal("initial-weights", refused.Errors.Single().Path);
        Assert.Contains(
            "layer 'body' is of the kind dense, where LlamaForCausalLM has an embedding",
            refused.Message);
        refused = Assert.Throws<SpecificationException>(() => Plan(
            Run.Replace("except = [head]", "names = huggingface"), s_body));
        Assert.Contains("hugging-face", refused.Message);
    }

    [Fact]
    public void A_file_that_may_not_be_named_is_refused_as_data_are()
    {
        var refused = Assert.Throws<SpecificationException>(() => RunSpecificationReader.Read(
            Run, "run.conf",
            fileRefusal: file => file == "body.safetensors" ? "it lies elsewhere" : null));
        Assert.Contains("initial-weights.safetensors: it lies elsewhere", refused.Message);
    }

    [Fact]
    public void Weights_that_are_trained_already_need_no_file()
    {
        RunSpecification run = RunSpecificationReader.Read(Run, "run.conf");
        using PlannedRun planned = RunPlanner.Plan(
            run, new DataSourceOpener(), long.MaxValue,
            Data.Preparation.DataPreparation.None);
        Assert.Null(planned.Outline.InitialWeightsSha256);
    }

    [Fact]
    public void A_layer_without_tensors_is_refused_by_name()
    {
        var network = new Network(
            Shape.Of(2), [new NetworkNode(new StrangeLayer(), -1)]);
        var refused = Assert.Throws<NotSupportedException>(() => PyTorchLayout.Of(network));
        Assert.Contains("layer 'one' is of the kind strange", refused.Message);
    }

    private static PlannedRun Plan(string text, NamedTensors tensors) => RunPlanner.Plan(
        RunSpecificationReader.Read(text, "run.conf"), new Opener(tensors), long.MaxValue);

    private static float[] Weights(Network network)
    {
        using var weights = new AlignedBuffer(network.Layout.Length);
        network.InitializeWeights(1, weights);
        return weights.Span.ToArray();
    }

    private sealed class Opener(NamedTensors tensors) : IDataSourceOpener
    {
        public IDataset Open(DataSource source, IDataset? train) =>
            new DataSourceOpener().Open(source, train);

        public ITensorFile OpenTensors(string file) => new TensorsInMemory(file, tensors);
    }

    private sealed class StrangeLayer() : Layer(
        "one", "strange", Shape.Of(2), Shape.Of(2),
        new ParameterDeclaration("weight", Shape.Of(2), ParameterRole.Weight, Constant.Ones))
    {
        public override void Forward(in ForwardPass pass)
        {
        }

        public override void Backward(in BackwardPass pass)
        {
        }

        public override void ReferenceForward(in ReferencePass pass)
        {
        }
    }
}
