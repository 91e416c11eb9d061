using Backprop.Data;
using Backprop.Data.Sources;
using Backprop.Engine.Losses;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

namespace Backprop.Training.Tests.Specification;

public sealed class RunPlannerTests
{
    private const string Classes = """
        name = classes
        data {
          train { inline {
            features = [[1, 2], [3, 4], [5, 6], [7, 8]], labels = [0, 0, 0, 1], classes = [no, yes]
          } }
        }
        model = [ { dense { units = 4 } }, { dense { units = 2 } } ]
        loss { softmax-cross-entropy { class-weights = balanced } }
        optimizer { adam { learning-rate = 0.1 } }
        batch-size = 4, epochs = 1
        """;

    private const string Balanced = "{ softmax-cross-entropy { class-weights = balanced } }";

    [Fact]
    public void Balanced_class_weights_are_counted_in_the_training_part()
    {
        using PlannedRun planned = Plan(Classes);
        var loss = Assert.IsType<SoftmaxCrossEntropy>(planned.Plan.Loss.Single);
        Assert.Equal(new[] { (float)(4 / 6.0), 2f }, loss.ClassWeights.ToArray());
    }

    [Theory]
    [InlineData("units = 2 } } ]", "units = 3 } } ]",
        "x.conf:7:", "model[1]: the network has 3 outputs for 2 classes")]
    [InlineData("{ dense { units = 4 } }", "{ dense { units = 4, name = a } }, { dense { units "
        + "= 3, name = a } }", "model[1]", "two layers are named 'a'")]
    [InlineData("units = 4", "units = 4, weight-init { values = [[1]] }",
        "model: ", "takes 8 values, row by row; 1 are given")]
    [InlineData("labels = [0, 0, 0, 1], classes = [no, yes]", "targets = [1, 2, 3, 4]",
        "loss: ", "softmax-cross-entropy needs classes")]
    [InlineData("labels = [0, 0, 0, 1], classes = [no, yes]",
        "labels = [0, 0, 0, 1], classes = [no, yes, maybe]",
        "loss: ", "class 'maybe' has no sample")]
    [InlineData("class-weights = balanced", "padding-token = 1", "loss: ",
        "padding-token: there are positions to pass over where samples have a class at each")]
    [InlineData("class-weights = balanced", "class-weights = [1, 2, 3]", "loss: ",
        "there are 3 class-weights for 2 classes (no, yes)")]
    [InlineData("{ dense { units = 2 } }", "{ dense { units = 2, activation = softmax } }",
        "loss: ", "softmax-cross-entropy applies softmax itself")]
    [InlineData(Balanced, "= binary-cross-entropy-on-probabilities", "loss: ",
        "needs outputs between 0 and 1; end the model with a sigmoid")]
    [InlineData("{ dense { units = 4 } }", "{ dense { units = 2000000000 } }",
        "model[0]", "weights")]
    [InlineData("{ dense { units = 4 } }", "{ dense { units = 3000000 } }", "model: ",
        "the largest of 15,000,002 parameters is 'dense1.weight' (2x3000000)")]
    [InlineData("epochs = 1", "epochs = 1, data.validation.fraction = 0.25, "
        + "stop { metric = validation-r2 }", "stop: ", "its targets are classes")]
    [InlineData("learning-rate = 0.1", "learning-rate = 0.1, groups = [ { layers = [dense1, "
        + "dense], learning-rate-factor = 2 } ]", "optimizer.adam.groups[0].layers[1]",
        "'dense' matches no layer with trained parameters (the model has dense1, dense2)")]
    [InlineData("learning-rate = 0.1", "learning-rate = 0.1, groups = [ { layers = \"*\" }, "
        + "{ layers = dense1 } ]", "groups[1].layers", "that no group before it has")]
    [InlineData("{ dense { units = 4 } }", "{ branches { branches = [ [], [ { dense { units = 4 } "
        + "} ] ], combine = add } }", "model[0]", "all must be alike")]
    public void What_does_not_go_together_is_refused_at_its_key(
        string right, string wrong, string place, string expected)
    {
        string text = Classes.Replace(right, wrong, StringComparison.Ordinal);
        var refused = Assert.Throws<SpecificationException>(() => Plan(text));
        Assert.Contains(place, refused.Message, StringComparison.Ordinal);
        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vocabulary = 4", "vocabulary = 5", "model[0]",
        "has 4: give it vocabulary = 4")]
    [InlineData("units = 4 }", "units = 5 }", "model[2]",
        "its outputs must be 3x4, so give its last layer 4 units")]
    [InlineData("lstm { units = 3 }", "lstm { units = 3, return = last }", "model[2]",
        "the network has outputs 4, and the data have 4 classes at each of 3 positions")]
    [InlineData("loss = softmax-cross-entropy", "loss = mean-squared-error", "model[2]",
        "take softmax-cross-entropy")]
    [InlineData("{ lstm { units = 3 } }", "{ position-pooling = last }, { reshape { shape = [2, "
        + "1] } }, { attention { heads = 1, padding-token = 0 } }", "model[3]",
        "rows of shape 3, where a token for each of its 2 positions must stand")]
    [InlineData("name = text", "name = text, data.mixup = 1", "data.mixup",
        "tokens are numbers of a vocabulary and cannot be mixed")]
    [InlineData("loss = softmax-cross-entropy",
        "loss { softmax-cross-entropy { padding-token = 4 } }", "loss: ",
        "4 is no class of")]
    [InlineData("length = 3", "length = 300", "", "too few for one window of 300")]
    public void What_does_not_suit_a_text_is_refused_at_its_key(
        string right, string wrong, string place, string expected)
    {
        OnText(text =>
        {
            Plan(text).Dispose();
            string message = Assert.ThrowsAny<Exception>(
                () => Plan(text.Replace(right, wrong, StringComparison.Ordinal))).Message;
            Assert.Contains(place, message, StringComparison.Ordinal);
            Assert.Contains(expected, message, StringComparison.Ordinal);
        });
    }

    // Two windows, whose targets are a, U+FFFD, b and c, a, b: without b four, of three classes.
    [Fact]
    public void Balanced_class_weights_count_no_padding() => OnText(text =>
    {
        using PlannedRun planned = Plan(text.Replace(
            "loss = softmax-cross-entropy",
            "loss { softmax-cross-entropy { class-weights = balanced, padding-token = 2 } }"));
        var loss = Assert.IsType<SoftmaxCrossEntropy>(planned.Plan.Loss.Single);
        Assert.Equal(2, loss.PaddingClass);
        Assert.Equal(2, TargetReading.For(planned.Plan).PaddingClass);
        Assert.Equal([4 / 3f, 2 / 3f, 0, 4 / 3f], loss.ClassWeights.AsEnumerable());
    }, "\uFFFDa\uFFFDbcab");

    private static void OnText(Action<string> check, string content = "abcabcabc")
    {
        string path = Path.Combine(Path.GetTempPath(), $"backprop-{Guid.NewGuid():N}.txt");
        File.WriteAllText(path, content);
        try
        {
            check($$"""
                name = text
                data { train { text { path = "{{path}}", length = 3 } } }
                model = [
                  { embedding { vocabulary = 4, width = 2 } }
                  { lstm { units = 3 } }
                  { dense { units = 4 } }
                ]
                loss = softmax-cross-entropy
                optimizer { adam { learning-rate = 0.1 } }
                batch-size = 2, epochs = 1
                """);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void Tokens_that_an_embedding_does_not_have_are_named_before_anything_is_computed()
    {
        string text = Classes.Replace(
            "{ dense { units = 4 } }", "{ embedding { vocabulary = 8, width = 2 } }, flatten");
        var refused = Assert.Throws<SpecificationException>(() => Plan(text));
        Assert.Contains(
            "has tokens 0 to 7, and sample 3 of inline data has 8 at position 1", refused.Message);
        Plan(text.Replace("vocabulary = 8", "vocabulary = 9")).Dispose();
    }

    [Fact]
    public void A_forgotten_flatten_is_told_of_where_rows_are_sequences()
    {
        string text = Classes.Replace(
            "{ dense { units = 4 } }",
            "{ embedding { vocabulary = 9, width = 2 } }, { dense { units = 4 } }");
        var refused = Assert.Throws<SpecificationException>(() => Plan(text));
        Assert.Contains("put a flatten layer before", refused.Message);
    }

    [Fact]
    public void Targets_of_a_cross_entropy_must_be_probabilities()
    {
        string text = Classes
            .Replace("labels = [0, 0, 0, 1], classes = [no, yes]", "targets = [0, 1, 2, 0]")
            .Replace("units = 2", "units = 1")
            .Replace(Balanced, "= binary-cross-entropy");
        var refused = Assert.Throws<SpecificationException>(() => Plan(text));
        Assert.Contains(
            "cross-entropy needs targets from 0 to 1; inline data has 2", refused.Message);
    }

    [Fact]
    public void The_digest_of_data_follows_their_numbers_alone()
    {
        using PlannedRun one = Plan(Classes);
        using PlannedRun same = Plan(Classes.Replace("[1, 2]", "[1.0, 2e0]"));
        using PlannedRun other = Plan(Classes.Replace("[1, 2]", "[1, 2.5]"));
        Assert.Equal(one.Plan.DataDigests.AsEnumerable(), same.Plan.DataDigests);
        Assert.NotEqual(one.Plan.DataDigests.AsEnumerable(), other.Plan.DataDigests);
    }

    [Fact]
    public void A_refused_plan_closes_what_it_opened()
    {
        var opener = new CountingOpener();
        RunSpecification run = RunSpecificationReader.Read(
            Classes.Replace("units = 2", "units = 3"), "x.conf");
        Assert.Throws<SpecificationException>(() => RunPlanner.Plan(run, opener, 1 << 20));
        Assert.Equal((1, 1), (opener.Opened, opener.Closed));
    }

    private static PlannedRun Plan(string text) => RunPlanner.Plan(
        RunSpecificationReader.Read(text, "x.conf"), new DataSourceOpener(), 64 << 20);

    private sealed class CountingOpener : IDataSourceOpener
    {
        public int Opened { get; private set; }

        public int Closed { get; private set; }

        public IDataset Open(DataSource source, IDataset? train)
        {
            Opened++;
            return new Counted(this, new DataSourceOpener().Open(source, train));
        }

        private sealed class Counted(CountingOpener opener, IDataset dataset) : IDataset
        {
            public string Source => dataset.Source;

            public long Count => dataset.Count;

            public Engine.Shape FeatureShape => dataset.FeatureShape;

            public TargetSchema Target => dataset.Target;

            public System.Collections.Immutable.ImmutableArray<string> FeatureNames =>
                dataset.FeatureNames;

            public void ReadFeatures(long sample, Span<float> destination) =>
                dataset.ReadFeatures(sample, destination);

            public void ReadTarget(long sample, Span<float> destination) =>
                dataset.ReadTarget(sample, destination);

            public void Dispose()
            {
                opener.Closed++;
                dataset.Dispose();
            }
        }
    }
}
