using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Training.Specification;
using Backprop.Training.Tests.Specification;

namespace Backprop.Models.Tests;

/// <summary>Layers that are written for other programs, each with what could go wrong in it.
/// </summary>
internal static class LayerCases
{
    /// <summary>Name, input, vocabulary of its tokens (0: numbers), layers.</summary>
    public static readonly (string Name, int[] Input, int Vocabulary, string Layers)[] All =
    [
        ("dense", [5], 0, "{ dense { units = 3 } }"),
        ("dense of positions", [4, 5], 0, "{ dense { units = 3, bias = false } }"),
        ("activations", [5], 0, """
            { dense { units = 6, activation = sigmoid } }, { tanh {} }, { dense = 6 }, { relu {} }
            { dense { units = 6, activation = { leaky-relu = 0.2 } } }, { leaky-relu {} }
            { dense { units = 6, activation = gelu } }, { dense { units = 6, activation = silu } }
            { gelu = tanh }, { dense { units = 6, activation = { gelu = tanh } } }
            { softmax {} }
            """),
        ("softmax of positions", [4, 5], 0, "{ softmax {} }"),
        ("softmax of images", [2, 3, 2], 0, "{ softmax {} }"),
        ("dropout", [5], 0, "{ dropout = 0.5 }, { dense = 2 }"),
        ("batch-normalization", [3, 4, 5], 0, "{ batch-normalization {} }"),
        ("layer-normalization", [5], 0, "{ layer-normalization {} }"),
        ("layer-normalization of positions", [4, 5], 0, "{ layer-normalization {} }"),
        ("layer-normalization of images", [2, 3, 2], 0, "{ layer-normalization {} }"),
        ("plain layer-normalization", [4, 5], 0, "{ layer-normalization { affine = false } }"),
        ("rms-normalization", [5], 0, "{ rms-normalization {} }"),
        ("rms-normalization of positions", [4, 5], 0, "{ rms-normalization { epsilon = 0.1 } }"),
        ("rms-normalization of images", [2, 3, 2], 0, "{ rms-normalization { affine = false } }"),
        ("group-normalization", [3, 2, 6], 0, "{ group-normalization { groups = 3 } }"),
        ("convolution-2d", [7, 6, 4], 0, """
            { convolution-2d { filters = 6, kernel = [3, 2], stride = [1, 2], padding = [2, 1],
              dilation = [2, 1], groups = 2, activation = relu } }
            """),
        ("convolution-2d of one channel", [7, 6], 0, """
            { convolution-2d { filters = 1, kernel = 4, stride = 3, padding = same } }
            """),
        ("convolution-1d", [9, 4], 0, """
            { convolution-1d { filters = 3, kernel = 4, padding = same, bias = false } }
            """),
        ("transposed-convolution-2d", [4, 3, 4], 0, """
            { transposed-convolution-2d { filters = 6, kernel = 3, stride = 2, padding = 1,
              groups = 2 } }
            """),
        ("transposed-convolution-2d, same", [4, 3, 2], 0, """
            { transposed-convolution-2d { filters = 3, kernel = [2, 4], stride = 3,
              padding = same } }
            """),
        ("transposed-convolution-1d", [5, 2], 0, """
            { transposed-convolution-1d { filters = 3, kernel = 4, stride = 2, padding = same } }
            """),
        ("max-pooling-2d", [7, 6, 3], 0, """
            { max-pooling-2d { size = [3, 2], stride = 2, padding = same } }
            """),
        ("average-pooling-2d", [7, 6], 0, """
            { average-pooling-2d { size = 3, stride = 2, padding = 1 } }
            """),
        ("pooling of sequences", [9, 3], 0, """
            { max-pooling-1d { size = 2, stride = 1 } }, { average-pooling-1d = 3 }
            """),
        ("global-max-pooling", [3, 4, 2], 0, "{ global-max-pooling {} }"),
        ("global-average-pooling", [4, 2], 0, "{ global-average-pooling {} }"),
        ("upsampling-2d", [2, 3, 2], 0, "{ upsampling-2d { factor = [3, 2] } }"),
        ("upsampling-1d", [3, 2], 0, "{ upsampling-1d { factor = 3 } }"),
        ("linear upsampling-2d", [2, 3, 2], 0,
            "{ upsampling-2d { factor = [3, 2], interpolation = linear } }"),
        ("linear upsampling-2d of a grey image", [3, 4], 0,
            "{ upsampling-2d { factor = 2, interpolation = linear-corners } }"),
        ("linear upsampling-1d", [3, 2], 0,
            "{ upsampling-1d { factor = 3, interpolation = linear } }"),
        ("linear upsampling-1d by corners", [4, 3], 0,
            "{ upsampling-1d { factor = 2, interpolation = linear-corners } }"),
        ("views", [12], 0, "{ reshape { shape = [2, 3, 2] } }, { flatten {} }, { dense = 2 }"),
        ("residual", [5], 0, """
            { residual = [ { dense { units = 5, activation = tanh } } ] }
            { block { repeat = 2, layers = [ { residual = [ { dense = 5 } ] } ] } }
            """),
        ("residual of a flattened image", [3, 3, 2], 0, """
            { convolution-2d { filters = 2, kernel = 2 } }, { flatten {} }
            { residual = [ { dense = 8 }, { residual = [ { relu {} }, { dense = 8 } ] } ] }
            { dense = 3 }
            """),
        ("branches", [5], 0, """
            { branches { branches = [ [ { dense = 3 }, tanh ], [], [ { dense = 2 } ] ] } }
            { branches { combine = add, branches = [ [ relu ], [ { dense = 10 } ] ] } }
            """),
        ("branches of images", [4, 5, 2], 0, """
            { branches { branches = [ [ { convolution-2d { filters = 3, kernel = 1 } } ], [] ] } }
            { flatten {} }, { dense = 3 }
            """),
        ("tied", [4], 9, """
            { embedding { vocabulary = 9, width = 3 } }, { dense { units = 3, activation = tanh } }
            { dense { units = 9, tie = embedding1, activation = silu } }
            """),
        ("embedding", [4], 9, "{ embedding { vocabulary = 9, width = 3 } }"),
        ("positions", [4], 9, """
            { embedding { vocabulary = 9, width = 6 } }, { positional-encoding = learned }
            { positional-encoding = sinusoidal }, { position-pooling = mean }
            """),
        ("attention", [6, 8], 0, "{ attention { heads = 2 } }, { position-pooling = last }"),
        ("attention to all", [6, 8], 0, "{ attention { heads = 4, causal = false } }"),
        ("attention, grouped and rotated", [6, 8], 0, """
            { attention { heads = 4, key-value-heads = 2, rotary = true, rotary-base = 100
              bias = false } }
            """),
        ("swiglu", [6, 8], 0, "{ swiglu { units = 5 } }"),
        ("swiglu of rows", [8], 0, "{ swiglu { units = 5, bias = true } }"),
        ("lstm", [6, 3], 0, "{ lstm { units = 5 } }"),
        ("lstm, last", [6, 3], 0, "{ lstm { units = 5, return = last } }"),
        ("gru", [6, 3], 0, "{ gru { units = 5 } }, { gru { units = 4, return = last } }"),
    ];

    // Whole networks that other tests train.
    private static readonly (string File, int[] Input, int Vocabulary)[] s_files =
    [
        ("everything.conf", [8, 8], 0),
        ("sequences.conf", [19], 256),
    ];

    public static TheoryData<string> Names =>
        [.. All.Select(one => one.Name), .. s_files.Select(one => one.File)];

    public static (Model Model, float[] Rows) Of(string name, int rows)
    {
        foreach ((string file, int[] shapeOfFile, int tokens) in s_files)
        {
            if (file == name)
            {
                string path = Path.Combine(
                    RepositoryPaths.Root, "tests", "Backprop.Console.Tests", "Exactness", file);
                return (
                    TrialModel.Of(
                        RunSpecificationReader.Read(File.ReadAllText(path), path),
                        Shape.Of(shapeOfFile), DataPreparation.None),
                    TrialModel.Rows(rows, Shape.Of(shapeOfFile), 3, tokens));
            }
        }

        (_, int[] input, int vocabulary, string layers) = All.Single(one => one.Name == name);
        var shape = Shape.Of(input);
        return (TrialModel.Of(layers, shape), TrialModel.Rows(rows, shape, 3, vocabulary));
    }
}
